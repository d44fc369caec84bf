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
from filelock import FileLock

from hornbook.core.asking import Raw, Request
from hornbook.store.journal.files import Checkpoints, claim
from hornbook.store.journal.records import INTENT_PACK, checksum, pack, pack_intents

CHUNK_BYTES = 32 * 2**20
"""Replies written by one statement."""
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
        self._lock, self.path, self._connection = claim(folder)
        self._old_locks: list[FileLock] = []
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._sent: dict[str, int] = {}
        self._next_intent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        for lock in (self._lock, *self._old_locks):
            lock.release()

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
        checkpoints = Checkpoints(self.path)
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
            if some and not self._commit(some):
                checkpoints.close()
                checkpoints = Checkpoints(self.path)
            elif some:
                checkpoints.turn(self._connection)
        checkpoints.close()
        self._connection.close()

    def _commit(self, some: list[Work]) -> bool:
        """One transaction for all; where one of them cannot be written, none is, and each is told why.

        Where the file turns out to be damaged, it is left as it is and a new one takes its place.

        Returns:
            whether the file is still the same.
        """
        try:
            found = _transaction(self._connection, some)
            same = True
        except Exception as error:
            if type(error) is not sqlite3.DatabaseError:
                return _refuse(some, error)
            try:
                self._begin_anew()
                found = _transaction(self._connection, some)
                same = False
            except Exception as second:
                return _refuse(some, second)
        for (_, done), numbers in zip(some, found, strict=True):
            done.set_result(numbers)
        return same

    def _begin_anew(self) -> None:
        """Go over to a new file; the lock on the old one is kept, so that nobody else comes upon it now."""
        self._connection.close()
        self._old_locks.append(self._lock)
        self._lock, self.path, self._connection = claim(self.path.parent, fresh=True)
        self._next_intent = 0
        self._sent.clear()

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
        if not self._next_intent:
            self._next_intent = 1 + connection.execute("SELECT ifnull(max(number), 0) FROM intents").fetchone()[0]
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


def _transaction(connection: sqlite3.Connection, some: list[Work]) -> list[Numbers]:
    """Do all in one synced transaction, or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        found = [do(connection) for do, _ in some]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found


def _refuse(some: list[Work], error: Exception) -> bool:
    for _, done in some:
        done.set_exception(error)
    return True
