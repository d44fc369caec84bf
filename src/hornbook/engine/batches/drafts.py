"""Batches while they are written to disk: never more in memory than the keys of one batch."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hornbook.core.errors import BudgetStop, HornbookError
from hornbook.engine.asking import Tally
from hornbook.engine.budget import Governor, Reservation
from hornbook.store.files import sync_folder
from hornbook.store.intents import Book, Intent
from hornbook.store.journal import Batch as Records
from hornbook.store.journal import Entry
from hornbook.teachers.batches import KEY_LENGTH, BatchApi
from hornbook.teachers.prices import Tariff

PIECE = 256
"""Requests and replies that are looked up and written together."""
CLIENT_LENGTH = 24
_START = b'{"custom_id":"'
_KEY = slice(len(_START), len(_START) + KEY_LENGTH)
_CLIENT = slice(_KEY.stop + 1, _KEY.stop + 1 + CLIENT_LENGTH)

T = TypeVar("T")


class Reads(Protocol):
    """What is read of a journal."""

    def find(self, keys: Iterable[str]) -> dict[str, Entry]: ...


class Writes(Protocol):
    """What is written to a journal; done when it is on disk."""

    def put(self, batch: Records) -> Future[Any]: ...


class Hold:
    """What a batch has reserved of the budget: one reservation that grows, and is spent reply by reply.

    It is `kept`: where this process dies the next reserves it again, from the book, while the batch is open. So
    nothing is lost by a death, and nothing counts twice.

    Args:
        governor: the budget.
    """

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self.sum: Reservation | None = None

    def grow(self, usd: float, tokens: int) -> None:
        """Reserve more.

        Raises:
            BudgetStop: it does not fit; what was held is still held.
        """
        before = self.sum
        held = before or (0.0, 0)
        self.free()
        try:
            self._governor.reserve(held[0] + usd, held[1] + tokens, kept=True)
        except BudgetStop:
            if before is not None:
                self._take_back(before)
            raise
        self.sum = (held[0] + usd, held[1] + tokens)

    def _take_back(self, before: Reservation) -> None:
        try:
            self._governor.reserve(*before, kept=True)
        except BudgetStop:  # the hours ran out between two lines: what is drafted goes out unreserved
            return
        self.sum = before

    def pay(self, usd: float, tokens: int) -> None:
        """Count replies as spent; what they leave of the reservation is held on to.

        Replies to a batch that could not be reserved (an earlier execution had submitted it) count all the same.
        """
        held = self.sum or (0.0, 0)
        part = (min(held[0], usd), min(held[1], tokens))
        self._governor.pay(part, usd, tokens, kept=True)
        if self.sum is not None:
            self.sum = (held[0] - part[0], held[1] - part[1])

    def free(self) -> None:
        """Give back what is left of the reservation."""
        if self.sum is not None:
            self._governor.settle(self.sum, 0.0, 0, kept=True)
            self.sum = None


@dataclass
class Desk:
    """What sending, waiting and fetching share.

    Args:
        api: the provider, open.
        book: open.
        reader, writer: the journal.
        governor: the budget.
        tariff: of the batch API.
        say: told a line at a time what happens.
        tally: what was done.
        holds: client → its share of the budget.
        mine: clients of the batches that this execution waits for.
    """

    api: BatchApi
    book: Book
    reader: Reads
    writer: Writes
    governor: Governor
    tariff: Tariff
    say: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)
    holds: dict[str, Hold] = field(default_factory=dict)
    mine: set[str] = field(default_factory=set)

    def open(self) -> list[Intent]:
        """Open batches at this provider, oldest first."""
        return [i for i in self.book.open() if (i.api, i.url) == (self.api.name, self.api.url)]

    def pay(self, client: str, usd: float, tokens: int) -> None:
        """Count replies of a batch as spent."""
        (self.holds.get(client) or Hold(self.governor)).pay(usd, tokens)

    def free(self, client: str) -> None:
        """Give back what a batch has reserved and not spent."""
        if client in self.holds:
            self.holds.pop(client).free()

    def answered(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that have a reply or have failed for good."""
        return {key for key, entry in self.reader.find(keys).items() if entry.error != "transport"}

    def recorded(self, draft: Draft, over: str = "") -> Intent:
        """A draft that is whole, recorded in the book.

        Args:
            draft: to be closed.
            over: the batch whose leftovers it holds.
        """
        intent = draft.close(over)
        self.holds[intent.client] = draft.hold
        self.mine.add(intent.client)
        return intent


class Draft:
    """A batch while its file is written.

    Args:
        book: where it will be recorded.
        api: whose form it is written in.
        route: of all its requests.
        hold: its share of the budget.
        attempt: see `Intent`.
    """

    def __init__(self, book: Book, api: BatchApi, route: str, hold: Hold, attempt: int = 1) -> None:
        self.client = uuid.uuid4().hex[:CLIENT_LENGTH]
        self.keys: dict[str, None] = {}
        self.hold = hold
        self._book, self._api, self._route, self._attempt = book, api, route, attempt
        self.path = book.file(self.client)
        self._file = self.path.open("wb", buffering=1 << 20)
        self._size = self._file.write(api.framing.head)

    def fits(self, size: int) -> bool:
        """Whether a request of so many bytes can be added."""
        framing, limits = self._api.framing, self._api.limits
        whole = self._size + len(framing.joint) + size + len(framing.tail)
        return len(self.keys) < limits.requests and whole <= limits.bytes

    def add(self, key: str, line: bytes) -> None:
        """Write one request.

        Raises:
            HornbookError: it is over the provider's limit for a whole batch.
        """
        if not self.keys and not self.fits(len(line)):
            raise HornbookError(
                f"request {key} takes {len(line):,} bytes; a whole batch may take {self._api.limits.bytes:,}",
                fix="shorten the prompt, or ask it online: leave out teacher.batch",
            )
        if self.keys:
            self._size += self._file.write(self._api.framing.joint)
        self._size += self._file.write(line)
        self.keys[key] = None

    def close(self, over: str = "") -> Intent:
        """Sync the file, then record the batch."""
        self._file.write(self._api.framing.tail)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        sync_folder(self._book.folder)
        usd, tokens = self.hold.sum or (0.0, 0)
        api = self._api
        intent = Intent(self.client, api.name, api.url, self._route, self._attempt, len(self.keys), usd, tokens)
        self._book.record(intent, self.keys, over)
        return intent

    def drop(self) -> None:
        """Write it no further."""
        self._file.close()
        self.path.unlink(missing_ok=True)
        self.hold.free()


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """(key, request) of each request in a batch's file."""
    with path.open("rb") as file:
        for line in file:
            if line.startswith(_START):
                text = line.rstrip(b"\n").removesuffix(b",")
                yield text[_KEY].decode(), text


def renamed(line: bytes, client: str) -> bytes:
    """The same request in another batch."""
    return line[: _CLIENT.start] + client.encode() + line[_CLIENT.stop :]


def pieces(values: Iterator[T], size: int = PIECE) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    while some := list(islice(values, size)):
        yield some
