"""Reading a journal: all writers' files as one, what is damaged left out and said."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from hornbook.store.journal.records import (
    FORMAT,
    KEY_BYTES,
    Damaged,
    Entry,
    check,
    check_tables,
    entry,
    files_of,
    format_of,
    mark,
    raw_key,
    unpack_intents,
)

LOOKUP = 500
"""Keys in one query."""
PACKS = 64
"""Packs of requests kept unpacked while records are gone through."""
CACHE_KIB = 4096
"""Pages of each file that stay in memory."""
SETTLED_NS = 10**9
"""A folder's time of change may be as coarse as this."""
AGAIN = "transport"
"""Failures of this class never reached the teacher: they cost nothing and are asked again."""


class Journal:
    """Reads the journal of a folder: all writers' files, newest state. Not for several threads at once.

    A reply outranks a tombstone; of two alike the newer one counts. A record whose checksum does not fit,
    and a file that is no database, are left out, so that such requests are asked again.

    Args:
        folder: where the journal lies; need not exist.
        say: told once of every file with damage.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self.damaged: dict[Path, str] = {}
        self._say = say
        self._open: dict[Path, sqlite3.Connection] = {}
        self._known: list[tuple[Path, sqlite3.Connection]] = []
        self._stamp, self._looked = -1, 0

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries of those keys that have been answered (or have failed for good)."""
        wanted = [raw_key(key) for key in dict.fromkeys(keys)]
        found: dict[str, Entry] = {}
        select = "SELECT key, at, seconds, body, sum, class, detail FROM replies WHERE key IN ({})"
        for path, row in self._select(select, wanted):
            try:
                new = entry(row)
            except Damaged as error:
                self._note(path, str(error))
                continue
            old = found.get(new.key)
            if old is None or (new.raw is not None, new.at) > (old.raw is not None, old.at):
                found[new.key] = new
        return found

    def settled(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that need not be asked: they have a sound reply, or have failed for good."""
        wanted = [raw_key(key) for key in keys]
        select = "SELECT key, at, seconds, body, sum, class, detail FROM replies WHERE key IN ({}) "
        select += f"AND (body IS NOT NULL OR class != '{AGAIN}')"
        found = set()
        for path, row in self._select(select, wanted):
            try:
                check(row)
            except Damaged as error:
                self._note(path, str(error))
                continue
            found.add(row[0].hex())
        return found

    def keys(self) -> Iterator[str]:
        """The keys of all replies, file by file; one that two files hold comes twice."""
        for path, connection in self._connections():
            rows = self._guarded(path, connection, "SELECT key FROM replies WHERE body IS NOT NULL ORDER BY number")
            yield from (key.hex() for (key,) in rows if isinstance(key, bytes))

    def counts(self) -> dict[str, int]:
        """Requests intended, answered, failed (by class) and still without an answer."""
        counts: dict[str, int] = {"requests": 0, "replies": 0, "failed": 0, "unanswered": 0}
        lacking: set[bytes] = set()
        for path, connection in self._connections():
            for (keys,) in self._guarded(path, connection, "SELECT keys FROM intents WHERE typeof(keys) = 'blob'"):
                some = [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]
                ended = {row[0] for _, row in self._select("SELECT key FROM replies WHERE key IN ({})", some)}
                lacking.update(key for key in some if key not in ended)
            query = "SELECT class, body IS NULL, count(*) FROM replies GROUP BY 1, 2"
            for kind, failed, many in self._guarded(path, connection, query):
                counts["failed" if failed else "replies"] += many
                if failed:
                    counts[f"failed {kind}"] = counts.get(f"failed {kind}", 0) + many
        counts["unanswered"] = len(lacking)
        counts["requests"] = len(lacking) + counts["replies"] + counts["failed"]
        return counts

    def request(self, key: str) -> dict[str, object] | None:
        """The request of a key, as it was intended, or None."""
        wanted = raw_key(key)
        for path, connection in self._connections():
            row = next(self._guarded(path, connection, "SELECT intent FROM replies WHERE key = ?", [wanted]), None)
            where, values = "instr(keys, ?) > 0", [wanted]
            if row is not None and row[0] is not None:
                where, values = "number = ?", row
            for found, body in self.intents(path, f"WHERE {where}", values):
                if found == wanted:
                    request: dict[str, object] = orjson.loads(body)
                    return request
        return None

    def intents(self, path: Path, where: str = "", values: Sequence[object] = ()) -> Iterator[tuple[bytes, bytes]]:
        """(key, request's JSON) of the requests that one file holds."""
        connection = dict(self._connections()).get(path)
        if connection is None:
            return
        query = f"SELECT many, keys, body, sum FROM intents {where} ORDER BY number"
        for row in self._guarded(path, connection, query, values):
            try:
                yield from unpack_intents(*row)
            except Damaged as error:
                self._note(path, str(error))

    def records(self) -> Iterator[tuple[Entry, bytes | None]]:
        """All that ended, each once in its newest state, with its request's JSON (None where no intent is found)."""
        for path, connection in self._connections():
            packs: dict[int, dict[bytes, bytes]] = {}
            at = 0
            while True:
                query = (
                    "SELECT number, intent, key, at, seconds, body, sum, class, detail FROM replies "
                    "WHERE number > ? ORDER BY number LIMIT ?"
                )
                rows = list(self._guarded(path, connection, query, [at, LOOKUP]))
                if not rows:
                    break
                at = rows[-1][0]
                owners = self._owners([row[2] for row in rows])
                for row in rows:
                    if owners.get(row[2]) == path:
                        yield from self._record(path, row, packs)

    def _record(
        self, path: Path, row: Any, packs: dict[int, dict[bytes, bytes]]
    ) -> Iterator[tuple[Entry, bytes | None]]:
        try:
            found = entry(row[2:])
        except Damaged as error:
            self._note(path, str(error))
            return
        intent = row[1]
        if intent is not None and intent not in packs:
            while len(packs) >= PACKS:
                packs.pop(next(iter(packs)))
            packs[intent] = dict(self.intents(path, "WHERE number = ?", [intent]))
        request = packs.get(intent, {}).get(row[2])
        if request is None:
            known = self.request(found.key)
            request = None if known is None else orjson.dumps(known)
        yield found, request

    def _owners(self, keys: list[bytes]) -> dict[bytes, Path]:
        """Which file holds the newest state of each key."""
        best: dict[bytes, tuple[bool, float, Path]] = {}
        for path, (key, full, at) in self._select(
            "SELECT key, body IS NOT NULL, at FROM replies WHERE key IN ({})", keys
        ):
            if key not in best or (bool(full), at) > best[key][:2]:
                best[key] = bool(full), at, path
        return {key: path for key, (_, _, path) in best.items()}

    def classes(self) -> dict[str, dict[str, int]]:
        """Class → how many `failed` without a reply and how many `replies` came that are of no use."""
        found: dict[str, dict[str, int]] = {}
        for path, connection in self._connections():
            query = "SELECT class, body IS NULL, count(*) FROM replies WHERE class IS NOT NULL GROUP BY 1, 2"
            for kind, failed, many in self._guarded(path, connection, query):
                counts = found.setdefault(kind, {"failed": 0, "replies": 0})
                counts["failed" if failed else "replies"] += many
        return dict(sorted(found.items()))

    def close(self) -> None:
        """Close the files."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
        self._stamp = -1

    def _connections(self) -> list[tuple[Path, sqlite3.Connection]]:
        """The files that can be read, opened; what compaction has taken away is let go.

        The folder is listed again where it has changed, or had only just changed when it was listed.
        """
        try:
            stamp = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if stamp == self._stamp and self._looked - stamp > SETTLED_NS:
            return self._known
        self._stamp, self._looked = stamp, time.time_ns()
        paths = files_of(self.folder)
        for path in self._open.keys() - set(paths):
            self._open.pop(path).close()
        for path in paths:
            if path not in self._open and path not in self.damaged:
                try:
                    found = reading(path)
                except sqlite3.DatabaseError as error:
                    _only_damage(error)
                    self._note(path, str(error))
                    continue
                if found is None:
                    self._stamp = -1
                else:
                    self._open[path] = found
        self._known = sorted(self._open.items())
        return self._known

    def _select(self, select: str, wanted: list[bytes]) -> Iterator[tuple[Path, Any]]:
        """Rows of a query with `key IN ({})`, a few keys at a time; around damaged pages one key at a time."""
        for path, connection in self._connections():
            for at in range(0, len(wanted), LOOKUP):
                some = wanted[at : at + LOOKUP]
                query = select.format(",".join("?" * len(some)))
                try:
                    rows = connection.execute(query, some).fetchall()
                except sqlite3.DatabaseError as error:
                    _only_damage(error)
                    self._note(path, str(error))
                    rows = [row for key in some for row in self._one(connection, select.format("?"), key)]
                yield from ((path, row) for row in rows)

    @staticmethod
    def _one(connection: sqlite3.Connection, query: str, key: bytes) -> list[Any]:
        try:
            return connection.execute(query, [key]).fetchall()
        except sqlite3.DatabaseError as error:
            _only_damage(error)
            return []

    def _guarded(
        self, path: Path, connection: sqlite3.Connection, query: str, values: Sequence[object] = ()
    ) -> Iterator[Any]:
        """Rows of a query up to the first damaged page."""
        try:
            rows = connection.execute(query, values)
            while (row := rows.fetchone()) is not None:
                yield row
        except sqlite3.DatabaseError as error:
            _only_damage(error)
            self._note(path, str(error))

    def _note(self, path: Path, what: str) -> None:
        if path not in self.damaged:
            self.damaged[path] = what
            with suppress(OSError):
                mark(path).touch()
            if self._say is not None:
                self._say(f"journal: {path.name} is damaged ({what}); what cannot be read is asked again")


def reading(path: Path) -> sqlite3.Connection | None:
    """A connection that only looks; None while the file's writer has not made its tables yet.

    Raises:
        sqlite3.DatabaseError: the file is no database, or of another form.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60, check_same_thread=False)
    try:
        connection.isolation_level = None
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        found = format_of(connection)
        if found not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"its form is {found}, this hornbook reads form {FORMAT}")
        if found == FORMAT:
            check_tables(connection)
            return connection
        connection.close()
        return None
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes the damage
        connection.close()
        raise sqlite3.DatabaseError("its tables are damaged") from error
    except BaseException:
        connection.close()
        raise


def _only_damage(error: sqlite3.DatabaseError) -> None:
    """Pass damage on; what is only busy, full or forbidden is another matter.

    Raises:
        sqlite3.OperationalError: it is not damage.
    """
    if isinstance(error, sqlite3.OperationalError) and "disk i/o" not in str(error).lower():
        raise error
