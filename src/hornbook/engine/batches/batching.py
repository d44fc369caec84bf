"""Asking through a provider's batch API: half the price, within a day, and no prompt paid for twice.

What the journal does not answer is written to files within the provider's limits; each is recorded in the
book (`store.intents`) before it is submitted. A batch that was submitted by a process that died before it
heard the batch's name is looked for among the account's batches and taken up again. Replies go to the
journal as those of online requests do; what expired or broke goes out again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hornbook.core.asking import Request, TeacherError
from hornbook.core.errors import BudgetStop, HornbookError, Interrupted
from hornbook.engine.asking import Tally
from hornbook.engine.batches.drafting import Drafting
from hornbook.engine.batches.drafts import Desk, Hold, Reads, Writes
from hornbook.engine.batches.fetching import Fetching
from hornbook.engine.budget import Governor
from hornbook.store.intents import Book, Intent
from hornbook.teachers.batches import Batch, open_batches
from hornbook.teachers.prices import tariff_as_asked
from hornbook.teachers.spec import TeacherSpec
from hornbook.teachers.wire import Busy

FIRST_LOOK = 2.0
"""Seconds to the first look at a batch; each wait is then half as long again, up to `batch_wait`. Our choice."""
SETTLE = 60.0
"""Seconds after a submission within which a batch may still turn up in the provider's list. Our choice."""
CLOCKS = 86_400.0
"""Seconds that our clock and the provider's may be apart: older batches are not looked at. Our choice."""
FIX = "mend what it says and run again: what was paid for is kept"


class Batcher:
    """Asks a stream of requests in batches.

    Args:
        desk: the provider, the book, the journal and the budget.
        heard: called with the tally whenever something has changed.
        at_once: how many batches may be at the provider.
        longest_wait: seconds between two looks at a batch, at most.
        settle: see SETTLE.
    """

    def __init__(
        self,
        desk: Desk,
        heard: Callable[[Tally], None],
        *,
        at_once: int = 8,
        longest_wait: float = 60.0,
        settle: float = SETTLE,
    ) -> None:
        self.desk, self.heard = desk, heard
        self.at_once, self.longest_wait, self.settle = at_once, longest_wait, settle
        self._drafting, self._fetching = Drafting(desk), Fetching(desk)
        self._due: dict[str, tuple[float, float]] = {}

    async def ask_all(self, requests: Iterator[Request]) -> Tally:
        """Ask all that the journal does not answer; return when each has a reply or a tombstone.

        Raises:
            BudgetStop: the budget is spent; batches under way are waited for and kept.
            HornbookError: a batch is refused, or most of its requests fail.
            Interrupted: Ctrl-C; batches go on at the provider.
        """
        desk, began = self.desk, time.monotonic()
        drafts = self._drafting.batches(requests)
        try:
            await self._take_up()
            while await self._send_all(drafts) or any(i.client in desk.mine for i in desk.open()):
                self._tell(began)
                await self._look(desk.open())
                if self._stop() is not None and not isinstance(self._stop(), BudgetStop):
                    break
        except asyncio.CancelledError:
            raise Interrupted(self._left_behind(), fix="run the same command again to fetch their replies") from None
        finally:
            drafts.close()
            self._tell(began)
            for client in list(desk.holds):
                desk.free(client)
        if (stop := self._stop()) is not None:
            raise stop
        return desk.tally

    def _stop(self) -> HornbookError | None:
        return self._fetching.stop or self._drafting.stop

    async def _take_up(self) -> None:
        """Find out about the batches of earlier processes: which run, which were never submitted."""
        desk = self.desk
        for intent in desk.open():
            if intent.batch is None:
                found = None if intent.sent is None else await self._find(intent)
                if found is None:
                    desk.book.over(intent.client, "dropped", "never submitted")
                    continue
                desk.say(f"batch {found.id} was submitted before an interruption: taken up again")
            hold = desk.holds[intent.client] = Hold(desk.governor)
            with suppress(BudgetStop):  # it is paid for already
                hold.grow(intent.usd, intent.tokens)

    async def _find(self, intent: Intent) -> Batch | None:
        """The provider's batch that was made from an intent, None where there surely is none.

        Where only a batch's end can tell, the first that may be it is taken for it until then.
        """
        desk = self.desk
        assert intent.sent is not None
        while True:
            maybe = None
            async for batch in desk.api.listed(intent.sent - CLOCKS):
                if desk.book.knows(batch.id):
                    continue
                ours = await desk.api.is_ours(batch, intent.client, intent.uploaded, intent.count)
                if ours:
                    desk.book.created(intent.client, batch.id, sure=True)
                    return batch
                maybe = maybe or (batch if ours is None else None)
            if maybe is not None:
                desk.book.created(intent.client, maybe.id, sure=False)
                return maybe
            left = intent.sent + self.settle - time.time()
            if left <= 0:
                return None
            desk.say("looking for a batch that may have been submitted before an interruption")
            await asyncio.sleep(min(left, self.longest_wait, 5.0))

    # -- sending

    async def _send_all(self, drafts: Iterator[Intent | None]) -> bool:
        """Submit what the provider may have now; whether there is more to come."""
        while True:
            own = self.desk.open()
            unsent = [intent for intent in own if intent.batch is None]
            if self._stop() is not None:
                self._drop(unsent)
                return False
            if len(own) - len(unsent) >= self.at_once or any(self._is_off(intent) for intent in unsent):
                return True
            try:
                intent = unsent[0] if unsent else next(drafts)
            except StopIteration:
                if self._stop() is None:
                    return False
                continue
            if intent is None:
                return True
            await self._send(intent)

    def _is_off(self, intent: Intent) -> bool:
        """Whether a batch was put off and its time has not come."""
        return self._due.get(intent.client, (0.0, 0.0))[0] > time.monotonic()

    def _drop(self, unsent: list[Intent]) -> None:
        """Nothing more is sent in this execution: what never went out is free again."""
        for intent in unsent:
            self.desk.free(intent.client)
            self.desk.book.over(intent.client, "dropped", "never submitted")

    async def _send(self, intent: Intent) -> None:
        """Upload and submit one recorded batch."""
        api, book = self.desk.api, self.desk.book
        file, uploaded = book.file(intent.client), intent.uploaded
        try:
            if not uploaded:
                uploaded = await api.upload(file, intent.client)
                book.uploaded(intent.client, uploaded)
            book.sending(intent.client)
            batch = await api.create(file, uploaded, intent.route, intent.client)
        except TeacherError as error:
            await self._not_sent(intent.client, error)
            return
        book.created(intent.client, batch.id, sure=True)
        self._sent(intent, batch)

    def _sent(self, intent: Intent, batch: Batch) -> None:
        self.desk.tally.asked += intent.count
        self._due.pop(intent.client, None)
        self.desk.say(f"batch {batch.id}: {intent.count:,} requests submitted")

    async def _not_sent(self, client: str, error: TeacherError) -> None:
        """A submission that brought no batch: was it taken all the same?"""
        desk = self.desk
        now = next(intent for intent in desk.open() if intent.client == client)
        if now.sent is not None and error.retry and not isinstance(error, Busy):
            desk.say(f"{error.detail}: looking whether the batch was taken")
            found = await self._find(now)
            if found is not None:
                self._sent(now, found)
                return
        if not error.retry:
            desk.free(client)
            desk.book.over(client, "refused", error.detail)
            raise HornbookError(f"the batch was refused: {error.detail}", where=f"teacher {desk.api.url}", fix=FIX)
        desk.book.unsent(client)
        self._later(client, error.retry_after)
        desk.say(f"{error.detail}: submitted again later")

    def _later(self, client: str, at_least: float | None = None) -> float:
        """Put a batch off, each time half as long again."""
        wait = min(self.longest_wait, self._due.get(client, (0.0, FIRST_LOOK / 1.5))[1] * 1.5)
        self._due[client] = (time.monotonic() + max(wait, at_least or 0.0), wait)
        return wait

    # -- waiting

    async def _look(self, own: list[Intent]) -> None:
        """Wait until a batch is due, and look at all that are."""
        for intent in own:
            if intent.client not in self._due:
                self._later(intent.client)
        dues = [self._due[intent.client][0] for intent in own]
        await asyncio.sleep(max(0.0, min(dues, default=0.0) - time.monotonic()))
        for intent in own:
            if intent.batch is not None and not self._is_off(intent):
                try:
                    await self._look_at(intent)
                except TeacherError as error:
                    self._later(intent.client, error.retry_after)
                    if not error.retry and intent.client in self.desk.mine:
                        raise self._vanished(intent, error) from error
                    self.desk.say(f"{error.detail}: looking again later")

    async def _look_at(self, intent: Intent) -> None:
        desk = self.desk
        assert intent.batch is not None
        batch = await desk.api.look(intent.batch)
        if not batch.ended:
            wait = self._later(intent.client)
            desk.say(f"batch {batch.id}: {batch.status}, {batch.done:,} of {intent.count:,}; next look in {wait:.0f} s")
            return
        if not intent.sure:
            if not await desk.api.is_ours(batch, intent.client, intent.uploaded, intent.count):
                if await self._find(intent) is None:
                    desk.book.unsent(intent.client)
                return
            desk.book.created(intent.client, batch.id, sure=True)
        if batch.failed:
            self._failed(intent, batch)
        else:
            await self._fetching.fetch(intent, batch)

    def _failed(self, intent: Intent, batch: Batch) -> None:
        """The whole batch was refused after it had been taken: nothing was asked, nothing paid."""
        desk = self.desk
        if batch.later:
            desk.say(f"batch {batch.id} was put back: {batch.failed}")
            desk.book.unsent(intent.client)
            self._later(intent.client, self.longest_wait)
            return
        desk.free(intent.client)
        desk.book.over(intent.client, "refused", batch.failed)
        if intent.client in desk.mine:
            raise HornbookError(f"batch {batch.id} failed: {batch.failed}", where=f"teacher {desk.api.url}", fix=FIX)

    def _vanished(self, intent: Intent, error: TeacherError) -> HornbookError:
        return HornbookError(
            f"the provider does not give batch {intent.batch} with {intent.count:,} requests: {error.detail}",
            where=str(self.desk.book.folder),
            fix="ask with the key and project that submitted it; where it is gone for good: "
            f"hornbook journal batches --forget {intent.client}",
        )

    def _tell(self, began: float) -> None:
        tally = self.desk.tally
        tally.waiting = sum(i.count for i in self.desk.open() if i.batch is not None and i.client in self.desk.mine)
        tally.most = max(tally.most, tally.waiting)
        tally.seconds = time.monotonic() - began
        self.heard(tally)

    def _left_behind(self) -> str:
        own = [intent for intent in self.desk.open() if intent.batch is not None]
        many = sum(intent.count for intent in own)
        return f"stopped: what is done is kept; {len(own)} batches with {many:,} requests go on at {self.desk.api.url}"


async def ask_in_batches(
    spec: TeacherSpec,
    passes: Iterable[Callable[[], Iterator[Request]]],
    journal: Path,
    reader: Reads,
    writer: Writes,
    governor: Governor,
    heard: Callable[[Tally], None],
    say: Callable[[str], None],
) -> Tally:
    """Ask all requests that the journal does not answer through the batch API of `spec`.

    Args:
        spec: a teacher with `batch`.
        passes: each gives the requests there are now and is called until it brings no new reply, because a
            stage that asks in rounds has more when it has replies; then comes the next.
        journal: the journal's folder.
        reader, writer: of it.
        governor: the budget.
        heard: called with the tally.
        say: told a line at a time what happens.

    Raises:
        HornbookError: see `Batcher.ask_all`.
    """
    with Book(journal) as book:
        async with open_batches(spec) as api:
            desk = Desk(api, book, reader, writer, governor, tariff_as_asked(spec), say)
            for requests in passes:
                before = -1
                while desk.tally.answered != before:
                    before, cached = desk.tally.answered, desk.tally.cached
                    batcher = Batcher(desk, heard, at_once=spec.batches, longest_wait=spec.batch_wait, settle=SETTLE)
                    await batcher.ask_all(requests())
                    if before:
                        desk.tally.cached = cached
            return desk.tally
