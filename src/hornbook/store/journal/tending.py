"""Changing a journal that nobody writes to: compaction, and taking replies out so that they are asked again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hornbook.core.asking import Raw
from hornbook.store.files import sync_folder
from hornbook.store.journal.files import fresh_numbers, writing
from hornbook.store.journal.records import COLUMNS, SCHEMA, Damaged, entry, files_of
from hornbook.store.journal.writer import DETAIL, VERDICT

CHUNK = 2000
READ = "key, at, seconds, body, sum, class, detail"
MERGE = f"""
INSERT INTO best ({COLUMNS})
SELECT key, at, seconds, body, sum, class, detail, intent + ? FROM old.replies WHERE true
ON CONFLICT (key) DO UPDATE SET
    at = excluded.at, seconds = excluded.seconds, body = excluded.body, sum = excluded.sum, class = excluded.class,
    detail = excluded.detail, intent = excluded.intent
WHERE (excluded.body IS NOT NULL, excluded.at) > (best.body IS NOT NULL, best.at)
"""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compaction did.

    Args:
        files: how many were merged into one.
        busy: files left as they are: a run writes to them.
        damaged: files left as they are: they cannot be read whole.
        replies, tombstones: kept.
        dropped: superseded records.
        before, after: bytes.
    """

    files: int
    busy: list[str]
    damaged: list[str]
    replies: int
    tombstones: int
    dropped: int
    before: int
    after: int


@contextmanager
def claimed(folder: Path) -> Iterator[tuple[list[Path], list[str]]]:
    """Be the only writer of all files that nobody writes to; gives those, and the names of the others."""
    with ExitStack() as stack:
        mine, busy = [], []
        for path in files_of(folder):
            lock = FileLock(path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                busy.append(path.name)
                continue
            stack.callback(lock.release)
            mine.append(path)
        yield mine, busy


def compact(folder: Path) -> Compacted:
    """Merge all files that nobody writes to into one, in the order of asking; of each key the newest state stays.

    A reply outranks a tombstone. The new file is whole and synced before the first old one goes, so a crash at any
    moment loses nothing; files that are being written or that are damaged stay as they are.
    """
    with claimed(folder) as (mine, busy):
        sound, damaged = _sound(mine)
        if not sound:
            return Compacted(0, busy, damaged, 0, 0, 0, 0, 0)
        before = sum(path.stat().st_size for path in sound)
        draft = folder / ".compact.tmp"
        for path in (draft, Path(f"{draft}-journal")):
            path.unlink(missing_ok=True)
        replies, tombstones, dropped = _merge(sound, draft)
        target = folder / f"writer-{next(fresh_numbers(folder)):04d}.sqlite"
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        sync_folder(folder)
        for path in sound:
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                name.unlink(missing_ok=True)
        sync_folder(folder)
        return Compacted(len(sound), busy, damaged, replies, tombstones, dropped, before, target.stat().st_size)


def _sound(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Files that can be read whole, moved out of their logs; and the names of the others."""
    sound: list[Path] = []
    damaged: list[str] = []
    for path in paths:
        try:
            connection = writing(path)
        except sqlite3.DatabaseError:
            damaged.append(path.name)
            continue
        try:
            whole = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        except sqlite3.DatabaseError:
            whole = moved = False
        finally:
            connection.close()
        if whole and moved:
            sound.append(path)
        else:
            damaged.append(path.name)
    return sound, damaged


def _merge(paths: Sequence[Path], draft: Path) -> tuple[int, int, int]:
    """All records of some files into a new one; (replies, tombstones, superseded records)."""
    into = sqlite3.connect(draft, isolation_level=None)
    try:
        into.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; {SCHEMA}")
        into.execute(f"CREATE TABLE best ({COLUMNS}, PRIMARY KEY (key)) WITHOUT ROWID")
        seen = shift = 0
        for path in paths:
            into.execute("ATTACH ? AS old", [str(path)])
            into.execute("BEGIN")
            seen += into.execute("SELECT count(*) FROM old.replies").fetchone()[0]
            into.execute(MERGE, [shift])
            into.execute("INSERT INTO intents SELECT number + ?, at, many, keys, body, sum FROM old.intents", [shift])
            into.execute("COMMIT")
            into.execute("DETACH old")
            shift = into.execute("SELECT ifnull(max(number), 0) FROM intents").fetchone()[0]
        into.execute(f"INSERT INTO replies ({COLUMNS}) SELECT {COLUMNS} FROM best ORDER BY intent, key")
        into.execute("DROP TABLE best")
        into.execute("VACUUM")
        total, full = into.execute("SELECT count(*), count(body) FROM replies").fetchone()
        return full, total - full, seen - total
    finally:
        into.close()


@dataclass(frozen=True, slots=True)
class Redriven:
    """What was taken out of a journal.

    Args:
        keys: of the requests that will be asked again.
        busy: files left as they are: a run writes to them.
    """

    keys: list[str]
    busy: list[str]


def redrive(folder: Path, kind: str, among: set[str] | None = None, *, act: bool = True) -> Redriven:
    """Take out tombstones and useless replies of one class, so that such requests are asked again.

    Replies are not deleted: they stay in the table `gone` until the journal is compacted.

    Args:
        folder: the journal's.
        kind: class: parse, empty, transport …
        among: keys to be looked at; None for all.
        act: False to only say which they are.
    """
    keys: list[str] = []
    with claimed(folder) as (mine, busy):
        for path in mine:
            try:
                connection = writing(path)
            except sqlite3.DatabaseError:
                continue
            try:
                rows = connection.execute("SELECT key FROM replies WHERE class = ?", [kind]).fetchall()
                some = [key for (key,) in rows if among is None or key.hex() in among]
                if act and some:
                    _take_out(connection, some)
                keys += [key.hex() for key in some]
            except sqlite3.DatabaseError:  # damaged: what cannot be read is asked again anyhow
                pass
            finally:
                connection.close()
    return Redriven(list(dict.fromkeys(keys)), busy)


def _take_out(connection: sqlite3.Connection, keys: Sequence[bytes]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for at in range(0, len(keys), CHUNK):
        some = keys[at : at + CHUNK]
        where = f"WHERE key IN ({','.join('?' * len(some))})"
        connection.execute(
            f"INSERT INTO gone ({COLUMNS}) SELECT {COLUMNS} FROM replies {where} AND body IS NOT NULL", some
        )
        connection.execute(f"DELETE FROM replies {where}", some)
    connection.execute("COMMIT")


def settle_verdicts(folder: Path, verdict: Callable[[str, Raw], tuple[str, str] | None]) -> int:
    """Read what a killed run has left unread, and note the class of each reply that is of no use.

    Args:
        folder: the journal's; files that are being written are left to their writer.
        verdict: reads a reply; class and evidence where it is of no use.

    Returns:
        how many replies were read.
    """
    count = 0
    with claimed(folder) as (mine, _):
        for path in mine:
            try:
                connection = writing(path)
            except sqlite3.DatabaseError:
                continue
            try:
                count += _settle(connection, verdict)
            except sqlite3.DatabaseError:  # damaged: what cannot be read is asked again anyhow
                pass
            finally:
                connection.close()
    return count


def _settle(connection: sqlite3.Connection, verdict: Callable[[str, Raw], tuple[str, str] | None]) -> int:
    at = connection.execute("SELECT value FROM state WHERE name = 'read'").fetchone()[0]
    count = 0
    while True:
        rows = connection.execute(
            f"SELECT number, {READ} FROM replies WHERE number > ? AND body IS NOT NULL AND class IS NULL "
            "ORDER BY number LIMIT ?",
            [at, CHUNK],
        ).fetchall()
        if not rows:
            return count
        bad = []
        for row in rows:
            try:
                known = entry(row[1:])
            except Damaged:
                continue
            found = None if known.raw is None else verdict(known.key, known.raw)
            if found is not None:
                bad.append((found[0], found[1][:DETAIL], row[1]))
        at = rows[-1][0]
        count += len(rows)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(VERDICT, bad)
        connection.execute("UPDATE state SET value = max(value, ?) WHERE name = 'read'", [at])
        connection.execute("COMMIT")
