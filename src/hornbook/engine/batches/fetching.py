"""From a batch that has ended to the journal; what it has left over goes into a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hornbook.core.asking import Raw, Reply
from hornbook.core.errors import BudgetStop, HornbookError
from hornbook.engine.batches.drafts import PIECE, Desk, Draft, Hold, lines_of, pieces, renamed
from hornbook.engine.budget import owed
from hornbook.store.intents import Intent
from hornbook.store.journal import Batch as Records
from hornbook.teachers.batches import Batch, Item
from hornbook.teachers.reading import read_reply

TRIES = 3
"""How often a request goes out before it is left as a `transport` failure; a batch that expires takes a day."""
DOWNLOADS = 3
"""How often results are fetched where lines cannot be read."""
FAILURES_LOOKED_AT = 10
FAILURE_SHARE = 0.5


class Fetching:
    """Takes the results of batches.

    Args:
        desk: see there.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.stop: HornbookError | None = None
        """Set where most requests fail, or the budget has no room for leftovers: nothing more is sent."""
        self.strange = 0
        """Lines that were of no request of ours, or none at all."""

    async def fetch(self, intent: Intent, batch: Batch) -> None:
        """Journal what came, then end the batch and in the same breath record a new one of what did not come.

        Raises:
            TeacherError: the results cannot be had now; those that came are journaled.
        """
        desk, taken = self.desk, set[str]()
        for attempt in range(1, DOWNLOADS + 1):
            unreadable = 0
            async for lines in _lists(desk.api.results(batch)):
                items = [desk.api.read(line) for line in lines]
                unreadable += sum(item is None for item in items)
                await self._take(intent, [item for item in items if item is not None], taken)
            if not unreadable or attempt == DOWNLOADS:
                break
            desk.say(f"batch {batch.id}: {unreadable} lines cannot be read: fetched again")
        self.strange += unreadable
        desk.free(intent.client)
        wanted = intent.client in desk.mine and (self.stop is None or isinstance(self.stop, BudgetStop))
        left = await self._leftovers(intent, taken) if wanted else None
        if left is None:
            desk.book.over(intent.client, "done", batch.status)
            desk.say(f"batch {batch.id}: {batch.status}, fetched")
            return
        again = desk.recorded(left, intent.client)
        desk.tally.retries += again.count
        desk.say(f"batch {batch.id}: {batch.status}, fetched; {again.count:,} requests are sent again")

    async def _take(self, intent: Intent, items: list[Item], taken: set[str]) -> None:
        """Journal some of a batch's replies.

        Args:
            intent: the batch.
            items: what came.
            taken: keys of what was journaled; these are over even if the journal could not be read back, which
                would else send, and pay, them again.
        """
        desk = self.desk
        ours = {item.key: item for item in items if item.client == intent.client}
        held = desk.book.holding(list(ours))
        mine = {key: item for key, item in ours.items() if held.get(key) == intent.client}
        self.strange += len(items) - len(mine)
        known = desk.answered(mine) | taken
        records = Records()
        usd, tokens = 0.0, 0
        for key, item in mine.items():
            if key in known:
                continue
            if item.raw is not None:
                paid = self._answer(records, key, item.raw, intent)
                usd, tokens = usd + paid[0], tokens + paid[1]
            elif not item.again and self._bearable(item):
                records.failures.append((key, item.error, item.detail))
        desk.pay(intent.client, usd, tokens)  # first: killed in between, it counts twice rather than never
        if records:
            await asyncio.wrap_future(desk.writer.put(records))
            taken.update(key for key, _ in records.answers)
            taken.update(key for key, kind, _ in records.failures if kind != "transport")

    def _answer(self, records: Records, key: str, raw: Raw, intent: Intent) -> tuple[float, int]:
        reply = read_reply(key, raw)
        share = (intent.usd / intent.count, intent.tokens // intent.count)
        usd, tokens = owed(reply, share, self.desk.tariff)
        records.answers.append((key, raw))
        if reply.error is not None:
            records.verdicts.append((key, reply.error, reply.detail))
        self._count(reply, usd)
        return usd, tokens

    def _count(self, reply: Reply, usd: float) -> None:
        tally = self.desk.tally
        tally.answered += 1
        tally.prompt_tokens += reply.prompt_tokens
        tally.tokens += reply.completion_tokens
        tally.usd += usd
        if reply.error is not None:
            tally.errors[reply.error] = tally.errors.get(reply.error, 0) + 1

    def _bearable(self, item: Item) -> bool:
        """Count a failure; whether to leave it as one: not where most fail, since the fault is then elsewhere."""
        tally = self.desk.tally
        tally.failed += 1
        tally.errors[item.error] = tally.errors.get(item.error, 0) + 1
        bad, ended = sum(tally.errors.values()), tally.answered + tally.failed
        if bad < FAILURES_LOOKED_AT or bad <= FAILURE_SHARE * ended:
            return True
        classes = ", ".join(f"{many} {name}" for name, many in sorted(tally.errors.items()))
        self.stop = HornbookError(
            f"{bad} of {ended} requests failed ({classes}); the last: {item.detail[:300]}",
            where=f"teacher {self.desk.api.url}",
            fix="mend what it says and run again: what was paid for is kept",
        )
        return False

    async def _leftovers(self, intent: Intent, taken: set[str]) -> Draft | None:
        """A draft of what a batch has left without reply or tombstone; after TRIES they become tombstones."""
        desk, draft = self.desk, None
        for lines in pieces(lines_of(desk.book.file(intent.client))):
            known = desk.answered(key for key, _ in lines) | taken
            open_ = [(key, line) for key, line in lines if key not in known]
            if intent.attempt >= TRIES:
                await self._give_up([key for key, _ in open_])
                continue
            for key, line in open_:
                if draft is None:
                    draft = Draft(desk.book, desk.api, intent.route, Hold(desk.governor), intent.attempt + 1)
                draft.add(key, renamed(line, draft.client))
        if draft is None:
            return None
        share = len(draft.keys) / intent.count
        try:
            draft.hold.grow(intent.usd * share, int(intent.tokens * share))
        except BudgetStop as stop:
            self.stop = stop
            draft.drop()
            return None
        return draft

    async def _give_up(self, keys: list[str]) -> None:
        if not keys:
            return
        said = f"in {TRIES} batches nothing came back for it (expired, cancelled or broken)"
        records = Records(failures=[(key, "transport", said) for key in keys])
        await asyncio.wrap_future(self.desk.writer.put(records))
        tally = self.desk.tally
        tally.failed += len(keys)
        tally.errors["transport"] = tally.errors.get("transport", 0) + len(keys)


async def _lists(lines: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Lists of at most PIECE lines that hold anything."""
    some: list[bytes] = []
    async for line in lines:
        if line.strip():
            some.append(line)
        if len(some) == PIECE:
            yield some
            some = []
    if some:
        yield some
