"""From a stream of requests to batches that are recorded and can be submitted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from hornbook.core.asking import Request
from hornbook.core.errors import BudgetStop, UserError
from hornbook.engine.batches.drafts import CLIENT_LENGTH, PIECE, Desk, Draft, Hold, pieces, renamed
from hornbook.engine.worst import Worst
from hornbook.store.intents import FOLDER, Intent, any_open, in_batches
from hornbook.store.journal import Batch as Records
from hornbook.teachers.batches import custom_id


class Drafting:
    """Writes batches out of what neither the journal nor an open batch answers.

    Args:
        desk: see there.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.stop: BudgetStop | None = None
        """Set where the budget had no room and nothing was under way that could make any."""
        self._full: BudgetStop | None = None
        self._worst = Worst()
        self._open: dict[str, Draft] = {}
        self._intents: list[tuple[str, bytes]] = []

    def batches(self, requests: Iterator[Request]) -> Generator[Intent | None, None, None]:
        """Batches, recorded one after the other; None where the budget has no room until one is over.

        Raises:
            UserError: a request cannot be asked of this API, or is in a batch elsewhere.
        """
        try:
            for key, request in self._unanswered(requests):
                if any(key in draft.keys for draft in self._open.values()):
                    continue
                route, line = self.desk.api.line(request, custom_id(key, " " * CLIENT_LENGTH))
                if route in self._open and not self._open[route].fits(len(line)):
                    yield self._closed(route)
                while not self._room(route, request):
                    while self._open:
                        yield self._closed(next(iter(self._open)))
                    if not self.desk.holds:
                        self.stop = self._full
                        return
                    yield None
                self._add(key, request, route, line)
            while self._open:
                yield self._closed(next(iter(self._open)))
        finally:
            for draft in self._open.values():
                draft.drop()

    def _unanswered(self, requests: Iterator[Request]) -> Iterator[tuple[str, Request]]:
        desk = self.desk
        own = {intent.client for intent in desk.open()}
        for some in pieces((request.key(), request) for request in requests):
            keys = list(dict.fromkeys(key for key, _ in some))
            known, held = desk.answered(keys), desk.book.holding(keys)
            for key, request in some:
                if key in known:
                    desk.tally.cached += 1
                elif key not in held:
                    yield key, request
                elif held[key] in own:
                    desk.mine.add(held[key])
                elif held[key] not in desk.mine:
                    raise elsewhere(1, "another provider", desk.book.folder)

    def _room(self, route: str, request: Request) -> bool:
        """Reserve what one request may cost."""
        prompt, tokens = self._worst.of(request)
        draft = self._open.get(route)
        hold = Hold(self.desk.governor) if draft is None else draft.hold
        try:
            hold.grow(self.desk.tariff.of(prompt, tokens), prompt + tokens)
        except BudgetStop as stop:
            self._full = stop
            return False
        if draft is None:
            self._open[route] = Draft(self.desk.book, self.desk.api, route, hold)
        return True

    def _add(self, key: str, request: Request, route: str, line: bytes) -> None:
        draft = self._open[route]
        draft.add(key, renamed(line, draft.client))
        self._intents.append((key, request.canonical()))
        if len(self._intents) >= PIECE:
            self._write()

    def _write(self) -> None:
        """The journal knows of the requests before they can be sent."""
        if self._intents:
            self.desk.writer.put(Records(intents=self._intents)).result()
            self._intents = []

    def _closed(self, route: str) -> Intent:
        self._write()
        return self.desk.recorded(self._open.pop(route))


def elsewhere(many: int, place: str, folder: Path) -> UserError:
    """Requests that may not be asked here because another teacher has them in a batch."""
    return UserError(
        f"at least {many} of these requests are in a batch at {place} whose replies were not fetched yet: asking "
        "them here would pay twice",
        where=str(folder),
        fix="run the recipe once with the teacher they were submitted with (teacher.batch, teacher.url)",
    )


def never_twice(requests: Iterator[Request], journal: Path) -> None:
    """Called before asking online: nothing that is in an open batch may be.

    Args:
        requests: what would be asked; looked at only where there are open batches.
        journal: the journal's folder.

    Raises:
        UserError: one of them is in a batch.
    """
    if not any_open(journal):
        return
    for some in pieces(requests):
        if found := in_batches(journal, [request.key() for request in some]):
            raise elsewhere(len(found), next(iter(found.values())), journal / FOLDER)
