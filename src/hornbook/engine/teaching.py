"""A step that asks, from its documents to replies in the journal: online, in batches, or a few for a pilot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Ask
from hornbook.engine.asking import Asker, Tally, looking, replies_to
from hornbook.engine.asking.loops import run
from hornbook.engine.batches.batching import ask_in_batches
from hornbook.engine.batches.drafting import never_twice
from hornbook.engine.batches.rounds import awaited, passes_of
from hornbook.engine.budget import Governor
from hornbook.engine.chains import Chains, chained, lacking_of, outcome, rounds_of, walked
from hornbook.engine.diversity import Diversity, Watching
from hornbook.engine.events import Listener, Progress
from hornbook.engine.keys import scorer
from hornbook.engine.recipe import Step
from hornbook.engine.streams import any_left, begun, rows_asked, stream_rows, stream_watched
from hornbook.engine.tasks import TAKEN, Work
from hornbook.engine.wanting import Row, Rows, Wanted
from hornbook.store.artifacts import Above
from hornbook.store.journal import Journal, JournalProcess, JournalWriter
from hornbook.teachers.prices import tariff_of
from hornbook.teachers.spec import TeacherSpec, name_of, open_teacher


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a step's requests are asked with.

    Args:
        step: what asks.
        work: its identity and where its marks and the journal lie.
        above: what it reads.
        cache: the user's cache folder, for weights.
        listen: hears how far it is.
        governor: the budget of the whole run.
    """

    step: Step
    work: Work
    above: Above
    cache: Path
    listen: Listener
    governor: Governor

    @property
    def spec(self) -> TeacherSpec:
        """The step's teacher."""
        assert self.step.teacher is not None
        return self.step.teacher

    @property
    def score(self) -> Ask:
        """The stage as it asks and marks: its thresholds at their defaults."""
        found = scorer(self.step.stage)
        assert isinstance(found, Ask)
        return found

    def ask(self) -> dict[str, Any]:
        """Ask what the journal does not answer yet; gives facts for the manifest."""
        score = self.score
        total = rows_asked(score, self.above)
        reader = Journal(self.work.journal)
        wanted = self._wanted(score, reader)
        tally = Tally(cached=total)
        try:
            if wanted.want is not None or any_left(score, self.work, self._rows(score), reader):
                tally = self._ask_wanted(score, reader, wanted, total)
            else:
                wanted.recall()
            facts = {"model": self.work.model, "batch": self.spec.batch} | tally.facts()
            if chained(score):
                facts |= {"rounds": rounds_of(score), "followed": tally.followed}
            facts |= {"diversity": wanted.facts()} if score.varied else {}
        finally:
            reader.close()
        if wanted.diversity.stop is not None:
            raise wanted.diversity.stop
        if wanted.want is not None:
            wanted.taken.save(self.work.marks / TAKEN)
        return facts

    def ask_first(self, count: int) -> tuple[Tally, list[Reply]]:
        """Ask the first `count` rows' requests: a pilot. The journal keeps them, so nothing is wasted.

        Always online, at the online price: a batch would take as long for a few as for all.

        Returns:
            what was asked, and the last reply to each, in the order of the rows.
        """
        score, params = self.score, self.work.params
        reader = Journal(self.work.journal)
        try:
            first = islice(self._rows(score), count)
            some = list({request.key(): (row, request) for row, request in first}.values())
            tally = Tally(cached=len(some))
            if any_left(score, self.work, iter(some), reader):
                never_twice(awaited(score, iter(some), params, looking(reader)), self.work.journal)
                heard = partial(self._heard, count, str)
                tally = run(self._online(score, reader, iter([iter(some)]), heard))
            return tally, replies_to(score, some, params, reader)
        finally:
            reader.close()

    def _rows(self, score: Ask) -> Rows:
        return stream_rows(score, self.work, self.above)

    def _wanted(self, score: Ask, reader: Journal) -> Wanted:
        """The step's requests in the order in which they are asked, watched."""
        watching = Watching.of(self.step.stage)
        look = looking(reader)

        def known(keys: Iterable[str]) -> dict[str, Reply]:
            return {key: reply for key, reply in look(list(keys)).items() if reply.error != "transport"}

        def rows(every: int) -> Iterator[Row]:
            return stream_watched(score, self.work, self.above, watching, every)

        def whole(some: Sequence[Row]) -> list[Reply | None]:
            chains = walked(score, (row.pair() for row in some), self.work.params, look)
            return [outcome(score, chain.last()) if lacking_of(chain) is None else None for chain in chains]

        some = next(reader.keys(), None) is not None
        ends = whole if chained(score) else None
        return Wanted(rows, self.above.rows(), Diversity(watching), known, known=some, whole=ends)

    def _ask_wanted(self, score: Ask, reader: Journal, wanted: Wanted, total: int) -> Tally:
        """Ask what is left, online or in batches."""
        heard = partial(self._heard, wanted.want or total, wanted.diversity.note)
        tally = Tally()
        if self.spec.batch:
            tally = run(self._in_batches(score, reader, heard, wanted))
        else:
            passes = wanted.passes()
            first = next(passes, None)
            if first is not None:
                open_ = awaited(score, self._rows(score), self.work.params, looking(reader))
                never_twice(open_, self.work.journal)
                wanted.diversity.prepare()
                tally = run(self._online(score, reader, chain([first], passes), heard, wanted))
        tally.cached += wanted.cached
        return tally

    async def _online(
        self,
        score: Ask,
        reader: Journal,
        passes: Iterable[Rows],
        heard: Callable[[Tally], None],
        wanted: Wanted | None = None,
    ) -> Tally:
        seen = None if wanted is None else wanted.seen
        price = tariff_of(self.spec)
        total = Tally()
        with self.governor.asking(price.hour):
            async with (
                JournalProcess(self.work.journal) as writer,
                open_teacher(self.spec.online(), self.cache, self._say) as teacher,
            ):
                for rows in passes:
                    chains = None
                    if chained(score):
                        ended = None if seen is None else partial(_ended, score, seen)
                        chains = Chains(score, self.work.params, looking(reader), ended)
                    told = partial(_together, total, heard)
                    each = seen if chains is None else None
                    asker = Asker(teacher, reader, writer, self.governor, price, told, chains, each)
                    total = total.plus(await asker.ask_all(begun(rows, chains)))
        return total

    async def _in_batches(self, score: Ask, reader: Journal, heard: Callable[[Tally], None], wanted: Wanted) -> Tally:
        journal = self.work.journal
        passes = passes_of(score, partial(self._rows, score), self.work.params, looking(reader), wanted)
        with self.governor.asking(tariff_of(self.spec).hour), JournalWriter(journal) as writer:
            return await ask_in_batches(self.spec, passes, journal, reader, writer, self.governor, heard, self._say)

    def _heard(self, total: int, note: Callable[[], str], tally: Tally) -> None:
        """Tell how far it is."""
        self.listen(
            Progress(
                self.step.name,
                tally.answered + tally.failed + tally.cached,
                total + tally.followed,
                tokens=tally.tokens,
                cached=tally.cached,
                failed=tally.failed,
                usd=tally.usd,
                waiting=tally.waiting,
                note=note(),
            )
        )

    def _say(self, line: str) -> None:
        self.listen(Progress(self.step.name, note=line))


def _ended(score: Ask, seen: Callable[[Request, Reply], None], first: Request, last: Reply) -> None:
    """Have what a row's replies come to heard, where it is of use."""
    reply = outcome(score, last)
    if reply.error is None:
        seen(first, reply)


def _together(before: Tally, heard: Callable[[Tally], None], tally: Tally) -> None:
    heard(before.plus(tally))


def teacher_name(spec: TeacherSpec, cache: Path, say: Callable[[str], None]) -> str:
    """The teacher's name in request keys; weights that only their content can name are fetched first."""
    name = name_of(spec, cache)
    if name is None:
        from hornbook.teachers.weights import pull, telling

        pull(spec.model, cache, telling(say, spec.model))
        name = name_of(spec, cache)
    if name is None:
        raise HornbookError(
            f"the weights of {spec.model} have no name", fix="`hornbook models list` shows what is here"
        )
    return name
