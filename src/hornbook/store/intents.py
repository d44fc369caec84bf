"""The book of batches: what was meant to be submitted, recorded before it is, beside the journal.

One SQLite file and one request file a batch, in `journal/batches/`. A request is in at most one open batch
(its key is the primary key of `items`), which is what keeps two batches, or a batch and an online run, from
paying for it twice. Every change is one transaction, synced before it returns.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from hornbook.core.errors import UserError

FOLDER = "batches"
BOOK = "book.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    client TEXT PRIMARY KEY, api TEXT NOT NULL, url TEXT NOT NULL, route TEXT NOT NULL, attempt INTEGER NOT NULL,
    count INTEGER NOT NULL, usd REAL NOT NULL, tokens INTEGER NOT NULL, at REAL NOT NULL,
    uploaded TEXT NOT NULL DEFAULT '', sent REAL, batch TEXT, sure INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'open', note TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, client TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = "client, api, url, route, attempt, count, usd, tokens, uploaded, sent, batch, sure"
_LOOKUP = 500


@dataclass(frozen=True, slots=True)
class Intent:
    """A batch as we know it.

    Args:
        client: our id for it, made before anyone else hears of it.
        api, url: whose batch API, and where.
        route: what the provider is to do with each request.
        attempt: 1, and 1 more for what an earlier batch left over.
        count: requests in it.
        usd, tokens: the most it may cost.
        uploaded: the provider's id of the uploaded file, '' before.
        sent: Unix time just before it was submitted; None before: it was then surely never submitted.
        batch: the provider's id, None before it is known.
        sure: whether `batch` is proven to be ours.
    """

    client: str
    api: str
    url: str
    route: str
    attempt: int
    count: int
    usd: float
    tokens: int
    uploaded: str = ""
    sent: float | None = None
    batch: str | None = None
    sure: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the book.

    Args:
        intent: the batch.
        at: Unix time of its recording.
        state: open; done, dropped (never sent), refused, forgotten.
        note: why, or the provider's last word.
    """

    intent: Intent
    at: float
    state: str
    note: str

    def stands(self) -> str:
        """How it stands, in a few words."""
        intent = self.intent
        if self.state != "open":
            return f"{self.state}: {self.note}" if self.note else self.state
        if intent.batch is not None:
            return "at the provider" if intent.sure else "perhaps this one: its results will tell"
        return "not sent yet" if intent.sent is None else "sent, but no answer was heard: the next run looks for it"


class Book:
    """The book of a journal; use as a context manager. One process at a time has it.

    Args:
        journal: the journal's folder.

    Raises:
        UserError: another process has it.
    """

    def __init__(self, journal: Path) -> None:
        self.folder = journal / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / "book.lock")

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                "another process sends and fetches the batches of this journal",
                where=str(self.folder),
                fix="wait for it, or stop it: its batches go on at the provider and this run will fetch them",
            ) from error
        self._db = sqlite3.connect(self.folder / BOOK, timeout=60, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        self._sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._lock.release()

    def file(self, client: str) -> Path:
        """Where the requests of a batch lie until it is over."""
        return self.folder / f"{client}.requests"

    def open(self) -> list[Intent]:
        """All batches that are not over, oldest first."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM batches WHERE state = 'open' ORDER BY at, client")
        return [Intent(*row) for row in rows]

    def knows(self, batch: str) -> bool:
        """Whether a provider's batch is surely one of ours, open or over."""
        found = self._db.execute("SELECT 1 FROM batches WHERE batch = ? AND sure", [batch])
        return found.fetchone() is not None

    def holding(self, keys: Sequence[str]) -> dict[str, str]:
        """Key → client, of those keys that are in an open batch."""
        return _holding(self._db, keys)

    def record(self, intent: Intent, keys: Iterable[str], over: str = "") -> None:
        """Record a batch that is about to be sent, its file being on disk.

        Args:
            intent: what it is.
            keys: its requests.
            over: the batch whose leftovers it holds, which is over with this.

        Raises:
            sqlite3.IntegrityError: a request is in another open batch.
        """
        with _Transaction(self._db):
            if over:
                self._end(over, "done")
            self._db.execute(
                "INSERT INTO batches (client, api, url, route, attempt, count, usd, tokens, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    intent.client,
                    intent.api,
                    intent.url,
                    intent.route,
                    intent.attempt,
                    intent.count,
                    intent.usd,
                    intent.tokens,
                    time.time(),
                ),
            )
            self._db.executemany("INSERT INTO items VALUES (?, ?)", ((key, intent.client) for key in keys))
        if over:
            self.file(over).unlink(missing_ok=True)

    def uploaded(self, client: str, file: str) -> None:
        """The provider has the file."""
        self._set(client, "uploaded = ?", file)

    def sending(self, client: str) -> None:
        """It is submitted the very next moment."""
        self._set(client, "sent = ?", time.time())

    def unsent(self, client: str) -> None:
        """The provider surely has not taken it."""
        self._set(client, "sent = ?, batch = NULL, sure = 0", None)

    def created(self, client: str, batch: str, *, sure: bool) -> None:
        """The provider has taken it, and calls it so."""
        self._set(client, f"sure = {int(sure)}, batch = ?", batch)

    def over(self, client: str, state: str = "done", note: str = "") -> None:
        """All that will come of a batch is in the journal; its other requests are free again."""
        with _Transaction(self._db):
            self._end(client, state, note)
        self.file(client).unlink(missing_ok=True)

    def _end(self, client: str, state: str, note: str = "") -> None:
        self._db.execute("UPDATE batches SET state = ?, note = ? WHERE client = ?", (state, note[:2000], client))
        self._db.execute("DELETE FROM items WHERE client = ?", [client])

    def _set(self, client: str, what: str, value: object) -> None:
        with _Transaction(self._db):
            self._db.execute(f"UPDATE batches SET {what} WHERE client = ?", (value, client))

    def _sweep(self) -> None:
        """Remove request files that no open batch needs: drafts of killed processes."""
        wanted = {self.file(intent.client) for intent in self.open()}
        for path in self.folder.glob("*.requests"):
            if path not in wanted:
                path.unlink()


def entries(journal: Path) -> list[Entry]:
    """All batches there ever were, oldest first; for those who do not have the book."""
    with _looking(journal) as db:
        if db is None:
            return []
        rows = db.execute(f"SELECT at, state, note, {_COLUMNS} FROM batches ORDER BY at, client")
        return [Entry(Intent(*row[3:]), *row[:3]) for row in rows]


def any_open(journal: Path) -> bool:
    """Whether any batch of a journal is open."""
    with _looking(journal) as db:
        return db is not None and db.execute("SELECT 1 FROM items LIMIT 1").fetchone() is not None


def in_batches(journal: Path, keys: Sequence[str]) -> dict[str, str]:
    """Key → address of its batch, of those keys that are in an open one; for those who do not have the book."""
    with _looking(journal) as db:
        if db is None:
            return {}
        places = dict(db.execute("SELECT client, url FROM batches WHERE state = 'open'"))
        return {key: places.get(client, "") for key, client in _holding(db, keys).items()}


@contextmanager
def _looking(journal: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only looks; None where there is no book."""
    path = journal / FOLDER / BOOK
    if not path.exists():
        yield None
        return
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60)
    try:
        made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'items'").fetchone()[0]
        yield db if made else None
    finally:
        db.close()


def _holding(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at in range(0, len(keys), _LOOKUP):
        some = keys[at : at + _LOOKUP]
        marks = ",".join("?" * len(some))
        found.update(db.execute(f"SELECT key, client FROM items WHERE key IN ({marks})", some))
    return found


class _Transaction:
    """All of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.execute("COMMIT" if error is None else "ROLLBACK")
