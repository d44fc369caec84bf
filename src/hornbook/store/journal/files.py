"""The files of a journal: who may write to one, how it is opened for that, and how its log is kept short."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

from filelock import FileLock, Timeout

from hornbook.store.journal.records import FORMAT, SCHEMA, check_tables, files_of, format_of, mark

TRIES = 250
CACHE_KIB = 8192
"""Pages of the file that stay in memory: the index of 250,000 keys."""
CHECKPOINT_BYTES = 16 * 2**20
"""Length of the log from which it is moved into the file."""


def claim(folder: Path, *, fresh: bool = False) -> tuple[FileLock, Path, sqlite3.Connection]:
    """A journal file nobody else writes to: the first whose lock is free and that is sound, or a new one."""
    new = (folder / f"writer-{number:04d}.sqlite" for number in fresh_numbers(folder))
    for path in chain(() if fresh else (p for p in files_of(folder) if not mark(p).exists()), new):
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            return lock, path, writing(path)
        except sqlite3.OperationalError:
            lock.release()
            raise
        except sqlite3.DatabaseError:  # damaged: left as it is for `hornbook journal verify`
            lock.release()
    raise AssertionError("numbers never end")


def fresh_numbers(folder: Path) -> Iterator[int]:
    """Numbers of files that there never were: a path is not used twice, for a reader may still have the old file."""
    known = [int(path.stem[7:]) for path in folder.glob("writer-*.*") if path.stem[7:].isdigit()]
    return count(1 + max(known, default=-1))


def writing(path: Path) -> sqlite3.Connection:
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
        check_tables(connection)
        return connection
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes the damage
        connection.close()
        raise sqlite3.DatabaseError("its tables are damaged") from error
    except BaseException:
        connection.close()
        raise


class Checkpoints:
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
