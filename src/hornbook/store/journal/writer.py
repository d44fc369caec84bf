"""Writing to a journal: one file a process, one transaction for all that waits, one synced commit."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
from filelock import FileLock, Timeout

from hornbook.core.asking import Raw, Request
from hornbook.store.journal.records import FORMAT, INTENT_PACK, SCHEMA, checksum, format_of, pack, pack_intents

TRIES = 250
CACHE_KIB = 8192
"""Pages of the file that stay in memory: the index of 250,000 keys."""
CHUNK_BYTES = 32 * 2**20
"""Replies written by one statement."""
CHECKPOINT_BYTES = 16 * 2**20
"""Written since the last checkpoint before the next begins."""
MOST_SENT = 50_000
"""Requests under way whose place among the intents is remembered; others are found by a scan."""
DETAIL = 2000
"""Characters of a failure's evidence that are kept."""

ANSWERS = """
INSERT OR REPLACE INTO replies (key, at, seconds, body, sum, intent)
SELECT substr(?1, 16 * key + 1, 16), ?2, json_extract(value, '$[0]'),
       substr(?3, json_extract(value, '$[1]'), json_extract(value, '$[2]')),
       json_extract(value, '$[3]'), json_extract(value, '$[4]')
FROM json_each(?4)
"""
"""All replies of a commit in one step, so that the interpreter's lock is let go once and not a row at a time."""
FAILURE = """
INSERT INTO replies (key, at, seconds, body, sum, class, detail, intent) VALUES (?, ?, 0.0, NULL, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET at = excluded.at, sum = excluded.sum, class = excluded.class, detail = excluded.detail
WHERE replies.body IS NULL
"""
VERDICT = "UPDATE replies SET class = ?, detail = ? WHERE key = ? AND body IS NOT NULL"
READ = """
UPDATE state SET value = ?2 WHERE name = 'read' AND value < ?2 AND NOT EXISTS (
    SELECT 1 FROM replies WHERE number > state.value AND number < ?1 AND body IS NOT NULL AND class IS NULL)
"""


@dataclass(slots=True)
class Batch:
    """What is to be written in one transaction.

    Args:
        intents: (key, the request's JSON) of requests about to be sent.
        answers: (key, raw reply).
        failures: (key, class, evidence) of requests that failed for good: tombstones.
        verdicts: (key, class, evidence) of replies that came but are of no use.
        read: (first, last) numbers of replies that have been read, as `put` gave them.
    """

    intents: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[tuple[str, Raw]] = field(default_factory=list)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    verdicts: list[tuple[str, str, str]] = field(default_factory=list)
    read: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.intents or self.answers or self.failures or self.verdicts or self.read)


Numbers = tuple[int, int]
Work = tuple[Callable[[sqlite3.Connection], Numbers], "Future[Numbers]"]


class JournalWriter:
    """Writes to a journal from one process; use as a context manager.

    Every call returns a future that is done when the record is synced to disk. Calls may come from any
    thread. Leaving the context writes all that was put before.

    Args:
        folder: the journal's folder; made where absent.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self.path, self._connection = _claim(folder)
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._sent: dict[str, int] = {}
        self._next_intent = 1 + self._connection.execute("SELECT ifnull(max(number), 0) FROM intents").fetchone()[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        self._lock.release()

    def put(self, batch: Batch) -> Future[Numbers]:
        """Write a batch, all of it or nothing; gives the numbers of the first and the last of its answers."""
        return self._put(lambda connection: self._write(connection, batch))

    def intend(self, key: str, request: Request) -> Future[Numbers]:
        """Record that a request is about to be sent."""
        return self.put(Batch(intents=[(key, request.canonical())]))

    def answer(self, key: str, raw: Raw) -> Future[Numbers]:
        """Record a raw reply."""
        return self.put(Batch(answers=[(key, raw)]))

    def fail(self, key: str, error: str, detail: str) -> Future[Numbers]:
        """Record that a request failed for good: its tombstone."""
        return self.put(Batch(failures=[(key, error, detail)]))

    def forget(self, error: str) -> Future[Numbers]:
        """Remove this file's tombstones of one class, so that those requests are asked again."""

        def do(connection: sqlite3.Connection) -> Numbers:
            connection.execute("DELETE FROM replies WHERE class = ? AND body IS NULL", [error])
            return 0, 0

        return self._put(do)

    def _put(self, do: Callable[[sqlite3.Connection], Numbers]) -> Future[Numbers]:
        done: Future[Numbers] = Future()
        done.set_running_or_notify_cancel()  # what came is written, whoever stopped waiting for it
        self._queue.put((do, done))
        return done

    def _work(self) -> None:
        """Commit whatever waits, again and again."""
        connection = self._connection
        checkpoints = _Checkpoints(self.path)
        ended = False
        while not ended:
            some: list[Work] = []
            entry = self._queue.get()
            while entry is not None:
                some.append(entry)
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
            ended = entry is None
            if some:
                _commit(connection, some)
                checkpoints.turn(connection)
        checkpoints.close()
        connection.close()

    def _write(self, connection: sqlite3.Connection, batch: Batch) -> Numbers:
        now = time.time()
        for at in range(0, len(batch.intents), INTENT_PACK):
            self._write_intents(connection, batch.intents[at : at + INTENT_PACK], now)
        numbers = self._write_answers(connection, batch.answers, now)
        if batch.failures:
            connection.executemany(FAILURE, [self._tombstone(*failure, now) for failure in batch.failures])
        if batch.verdicts:
            found = [(kind, detail[:DETAIL], bytes.fromhex(key)) for key, kind, detail in batch.verdicts]
            connection.executemany(VERDICT, found)
        if batch.read:
            connection.execute(READ, batch.read)
        return numbers

    def _tombstone(self, key: str, kind: str, detail: str, now: float) -> tuple[object, ...]:
        raw = bytes.fromhex(key)
        return raw, now, checksum(raw, kind.encode()), kind, detail[:DETAIL], self._sent.pop(key, None)

    def _write_intents(self, connection: sqlite3.Connection, intents: list[tuple[str, bytes]], now: float) -> None:
        keys = bytes.fromhex("".join([key for key, _ in intents]))
        body = pack_intents([body for _, body in intents])
        number = self._next_intent
        connection.execute(
            "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?)",
            (number, now, len(intents), keys, body, checksum(keys, body)),
        )
        self._next_intent += 1
        if len(self._sent) > MOST_SENT:
            self._sent.clear()
        self._sent.update((key, number) for key, _ in intents)

    def _write_answers(self, connection: sqlite3.Connection, answers: list[tuple[str, Raw]], now: float) -> Numbers:
        first = last = 0
        at = 0
        while at < len(answers):
            size, end = 0, at
            while end < len(answers) and (end == at or size + len(answers[end][1].body) <= CHUNK_BYTES):
                size += len(answers[end][1].body)
                end += 1
            last = self._write_some(connection, answers[at:end], now)
            first = first or last - (end - at) + 1
            at = end
        return first, last

    def _write_some(self, connection: sqlite3.Connection, some: list[tuple[str, Raw]], now: float) -> int:
        bodies = pack([raw.body for _, raw in some])
        keys = bytes.fromhex("".join([key for key, _ in some]))
        rows = []
        at = 1
        for number, ((key, raw), body) in enumerate(zip(some, bodies, strict=True)):
            total = checksum(keys[16 * number : 16 * number + 16], body)
            rows.append((raw.seconds, at, len(body), total, self._sent.pop(key, None)))
            at += len(body)
        cursor = connection.execute(ANSWERS, (keys, now, b"".join(bodies), orjson.dumps(rows).decode()))
        return int(cursor.lastrowid or 0)


class _Checkpoints:
    """Moves what was written from the log into the file, in a thread of its own, so that no commit waits.

    A checkpoint beside a writer never catches up whole, and a log that is never caught up grows for ever:
    the little that came meanwhile is moved by the writer itself, between two commits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._thread: threading.Thread | None = None
        self._next = time.monotonic() + 1.0

    def turn(self, connection: sqlite3.Connection) -> None:
        """After a commit: begin a checkpoint where it is time, end one that is nearly done."""
        if self._thread is not None:
            if not self._thread.is_alive():
                self._thread = None
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                self._next = time.monotonic() + 1.0
        elif time.monotonic() > self._next:
            self._next = time.monotonic() + 1.0
            if self._log.stat().st_size > CHECKPOINT_BYTES:
                self._thread = threading.Thread(target=self._run, name="journal-checkpoint", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError:
            pass  # busy or full: the commits of the writer say so where it matters
        finally:
            connection.close()

    def close(self) -> None:
        """Wait for a checkpoint that is under way."""
        if self._thread is not None:
            self._thread.join()


def _commit(connection: sqlite3.Connection, some: list[Work]) -> None:
    """One transaction for all; where one of them cannot be written, none is, and each is told why."""
    found = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        found = [do(connection) for do, _ in some]
        connection.execute("COMMIT")
    except Exception as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for _, done in some:
            done.set_exception(error)
    else:
        for (_, done), numbers in zip(some, found, strict=True):
            done.set_result(numbers)


def _claim(folder: Path) -> tuple[FileLock, Path, sqlite3.Connection]:
    """A journal file nobody else writes to: the first whose lock is free and that is sound, or a new one."""
    number = 0
    while True:
        path = folder / f"writer-{number:04d}.sqlite"
        lock = FileLock(path.with_suffix(".lock"))
        number += 1
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            return lock, path, _writing(path)
        except sqlite3.OperationalError:
            lock.release()
            raise
        except sqlite3.DatabaseError:  # damaged: left as it is for `hornbook journal verify`
            lock.release()


def _writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes to a file, its tables made.

    Going over to WAL is refused at once while a reader looks, whatever the timeout: it is tried again.

    Raises:
        sqlite3.DatabaseError: the file is no database, or of another form.
    """
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        for left in reversed(range(TRIES)):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError:
                if not left:
                    raise
                time.sleep(0.02)
        found = format_of(connection)
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found != FORMAT and not (found == 0 and empty):
            raise sqlite3.DatabaseError(f"its form is {found}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={CHECKPOINT_BYTES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if empty:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        return connection
    except BaseException:
        connection.close()
        raise
