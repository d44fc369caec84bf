"""The journal: every request to a teacher and every reply, durable before it is acted on.

One request, one key (`hornbook.core.asking.Request.key`). The intent is on disk before the request is
sent, the raw reply before it is parsed, so a crash at any byte loses nothing that had arrived and asks
nothing again. It is also the cache: the same request in another run is free.

Each writer has an SQLite file of its own (WAL), claimed with a file lock, so any number of processes on
one filesystem never meet; readers look through all of them. Writes are grouped: one commit for all
that waits, and nobody is told "written" before that commit is synced.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import zstandard
from filelock import FileLock, Timeout

from hornbook.core.asking import Raw, Request

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (key TEXT PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, at REAL NOT NULL, seconds REAL NOT NULL, body BLOB NOT NULL, error TEXT, detail TEXT
) WITHOUT ROWID;
"""

_LOOKUP = 500
_TRIES = 250


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal holds for one request.

    Args:
        key: the request's key.
        raw: the reply as it came, or None for a failure that brought none.
        error: class of the failure, or None.
        detail: its evidence.
    """

    key: str
    raw: Raw | None
    error: str | None = None
    detail: str = ""


class Journal:
    """Reads the journal of a folder: all writers' files, newest state.

    Args:
        folder: where the journal lies; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[Path, sqlite3.Connection] = {}

    def _connections(self) -> Iterator[sqlite3.Connection]:
        for path in sorted(self.folder.glob("*.sqlite")):
            if path not in self._open:
                found = _reading(path)
                if found is None:
                    continue
                self._open[path] = found
            yield self._open[path]

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries of those keys that have been answered (or have failed for good)."""
        left = list(dict.fromkeys(keys))
        found: dict[str, Entry] = {}
        for connection in self._connections():
            for at in range(0, len(left), _LOOKUP):
                some = left[at : at + _LOOKUP]
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, seconds, body, error, detail FROM replies WHERE key IN ({marks})", some
                )
                for key, seconds, body, error, detail in rows:
                    if key not in found or found[key].raw is None:
                        found[key] = _entry(key, seconds, body, error, detail)
        return found

    def counts(self) -> dict[str, int]:
        """Requests intended, answered, failed (by class) and still without an answer."""
        counts: dict[str, int] = {"requests": 0, "replies": 0, "failed": 0, "unanswered": 0}
        for connection in self._connections():
            counts["requests"] += connection.execute("SELECT count(*) FROM requests").fetchone()[0]
            for error, many in connection.execute("SELECT error, count(*) FROM replies GROUP BY error"):
                name = "replies" if error is None else f"failed {error}"
                counts[name] = counts.get(name, 0) + many
                counts["failed"] += 0 if error is None else many
        counts["unanswered"] = counts["requests"] - counts["replies"] - counts["failed"]
        return counts

    def request(self, key: str) -> dict[str, object] | None:
        """The request of a key, as it was intended, or None."""
        for connection in self._connections():
            row = connection.execute("SELECT body FROM requests WHERE key = ?", [key]).fetchone()
            if row is not None:
                found: dict[str, object] = json.loads(zstandard.decompress(row[0]))
                return found
        return None

    def close(self) -> None:
        """Close the files."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()


class JournalWriter:
    """Writes to a journal from one process; use as a context manager.

    Every call returns a future that is done when the record is synced to disk. Calls may come from any
    thread.

    Args:
        folder: the journal's folder; made where absent.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self.path = _claim(folder)
        self._queue: queue.SimpleQueue[tuple[str, tuple[object, ...], Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)

    def __enter__(self) -> Self:
        self._connection = _writing(self.path)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        self._lock.release()

    def intend(self, key: str, request: Request) -> Future[None]:
        """Record that a request is about to be sent."""
        body = {
            "model": request.model,
            "messages": [dict(m) for m in request.messages],
            "prompt": request.prompt,
            "params": dict(request.params),
            "schema": request.schema,
            "sample": request.sample,
        }
        packed = zstandard.compress(json.dumps(body).encode(), 3)
        return self._put("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", (key, time.time(), packed))

    def answer(self, key: str, raw: Raw) -> Future[None]:
        """Record a raw reply."""
        packed = zstandard.compress(raw.body, 3)
        return self._put(
            "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, NULL, '')",
            (key, time.time(), raw.seconds, packed),
        )

    def fail(self, key: str, error: str, detail: str) -> Future[None]:
        """Record that a request failed for good: its tombstone."""
        return self._put(
            "INSERT OR IGNORE INTO replies VALUES (?, ?, 0, x'', ?, ?)",
            (key, time.time(), error, detail[:2000]),
        )

    def forget(self, error: str) -> Future[None]:
        """Remove this file's tombstones of one class, so that those requests are asked again."""
        return self._put("DELETE FROM replies WHERE error = ?", (error,))

    def _put(self, statement: str, values: tuple[object, ...]) -> Future[None]:
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # a reply that came is written, whoever stopped waiting for it
        self._queue.put((statement, values, done))
        return done

    def _work(self) -> None:
        connection = self._connection
        ended = False
        while not ended:
            batch = []
            entry = self._queue.get()
            while True:
                if entry is None:
                    ended = True
                    break
                batch.append(entry)
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._commit(connection, batch)
        connection.close()

    @staticmethod
    def _commit(connection: sqlite3.Connection, batch: list[tuple[str, tuple[object, ...], Future[None]]]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values, _ in batch:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for _, _, done in batch:
                done.set_exception(error)
        else:
            for _, _, done in batch:
                done.set_result(None)


def _claim(folder: Path) -> tuple[FileLock, Path]:
    """A journal file nobody else writes to: the first whose lock is free, or a new one."""
    number = 0
    while True:
        lock = FileLock(folder / f"writer-{number:04d}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            number += 1
        else:
            return lock, folder / f"writer-{number:04d}.sqlite"


def _writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes to a file, its tables made.

    Going over to WAL is refused at once while a reader looks, whatever the timeout: it is tried again.
    """
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    for left in reversed(range(_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(SCHEMA)
    return connection


def _reading(path: Path) -> sqlite3.Connection | None:
    """A connection that only looks; None while the file's writer has not made its tables yet."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60, check_same_thread=False)
    connection.isolation_level = None
    if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'replies'").fetchone()[0]:
        return connection
    connection.close()
    return None


def _entry(key: str, seconds: float, body: bytes, error: str | None, detail: str | None) -> Entry:
    if error is not None:
        return Entry(key, None, error, detail or "")
    return Entry(key, Raw(zstandard.decompress(body), seconds))
