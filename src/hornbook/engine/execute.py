"""Doing one step: its items, its marks, its requests, its manifest."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Across, Artifact, Ask, Each, Job, Source
from hornbook.engine import tasks
from hornbook.engine.asking import Asker, Tally, looking, replies_to, requests_of
from hornbook.engine.batching import ask_in_batches
from hornbook.engine.budget import Governor
from hornbook.engine.chains import Chains, chained, follow, rows_of
from hornbook.engine.diversity import Diversity, Watching, groups_of
from hornbook.engine.drafting import never_twice
from hornbook.engine.events import Listener, Progress
from hornbook.engine.executors import Executor
from hornbook.engine.keys import StepKeys, scorer
from hornbook.engine.recipe import Step
from hornbook.engine.results import answered, end_marks, forget, manifest_of, never_empty, sweep, unreached
from hornbook.engine.rounds import awaited, passes_of
from hornbook.engine.tasks import TAKEN, Item, Work
from hornbook.engine.wanting import Row, Wanted
from hornbook.engine.workspace import Workspace
from hornbook.store.agreeing import agree
from hornbook.store.artifacts import Above, artifact_at, finished
from hornbook.store.journal import Journal, JournalWriter
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.store.parts import pieces, schema_of
from hornbook.teachers.prices import tariff_of
from hornbook.teachers.spec import TeacherSpec, name_of, open_teacher

_LOOK = 512


@dataclass(frozen=True, slots=True)
class Setting:
    """What a step is done with.

    Args:
        workspace: where results go.
        executor: how work is spread.
        cache: the user's cache folder (weights, digests of input files).
        listen: hears what happens.
        governor: the budget of the whole run.
    """

    workspace: Workspace
    executor: Executor
    cache: Path
    listen: Listener
    governor: Governor

    def teacher(self, step: Step) -> tuple[str, dict[str, Any]]:
        """The teacher's name in request keys and its sampling parameters; nothing for stages that do not ask."""
        if step.teacher is None:
            return "", {}
        return teacher_name(step.teacher, self.cache, self._say(step)), step.teacher.params()

    def execute(self, step: Step, keys: StepKeys, above: Above, folder: Path) -> Artifact:
        """Do one step and write its manifest; what an earlier, killed try has done is not done again.

        Args:
            step: what to do.
            keys: its identity.
            above: what it reads.
            folder: where its result goes.
        """
        with self._alone(step, keys):
            found = finished(folder, step.name)
            if found is not None and answered(found):
                return found
            work = self.work(step, keys, above, folder)
            marks = Manifest.read(work.marks)
            if marks is not None and unreached(marks.facts):
                forget(work)
            sweep(work)
            return self._execute(step, keys, above, work)

    @contextmanager
    def _alone(self, step: Step, keys: StepKeys) -> Iterator[None]:
        """Be the only process that works on these marks: another run with the same step is waited for."""
        lock = FileLock(self.workspace.lock(keys.marks))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._say(step)("waiting for another run that does the same step")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _execute(self, step: Step, keys: StepKeys, above: Above, work: Work) -> Artifact:
        began = time.monotonic()
        stage, folder = step.stage, work.folder
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {}
        results: list[dict[str, Any]] = []
        if isinstance(stage, Job):
            facts = stage.run(above, folder, self._tick(step))
        elif isinstance(stage, Source):
            results = self._items(step, work, tasks.read_source, folder, "part", stage.shards(above))
        else:
            work.marks.mkdir(parents=True, exist_ok=True)
            facts, results = self._marked(step, work, above)
            end_marks(work, stage.version, keys, results, facts)
        agree(folder, [file for result in results for file in result["parts"]])
        agree(folder / "dropped", [file for result in results for file in result["drops"]])
        manifest = manifest_of(work, step, keys, above, results, facts)
        if manifest.makes == "documents" and not isinstance(stage, Job):
            never_empty(manifest, folder, above)
        manifest.seconds = round(time.monotonic() - began, 3)
        manifest.write(folder)
        shutil.rmtree(folder / tasks.RECORDS, ignore_errors=True)
        return artifact_at(folder, step.name)

    def work(self, step: Step, keys: StepKeys, above: Above, folder: Path) -> Work:
        """What a worker needs to know of a step."""
        model, params = self.teacher(step)
        alone = isinstance(step.stage, (Source, Job))
        return Work(
            use=step.use,
            knobs=step.stage.model_dump(mode="json"),
            above=above.describe(),
            folder=folder,
            marks=folder if alone else self.workspace.artifact(keys.marks),
            recipe=dict(above.recipe),
            model=model,
            params=params,
            journal=self.workspace.journal,
        )

    def _marked(self, step: Step, work: Work, above: Above) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Each, Across and Ask: marks, then rules, part by part."""
        stage = step.stage
        parts = list(zip(above.parts(), above.starts(), strict=True))
        facts: dict[str, Any] = {}
        task: Callable[[Item], dict[str, Any]] = tasks.mark_each
        scored = (work.marks / MANIFEST).exists()
        if isinstance(stage, Across):
            task = tasks.apply_across
            if not scored:
                self._items(step, work, tasks.map_across, work.marks, "map", parts, show=False)
                partitions = list(range(stage.partitions))
                self._items(step, work, tasks.reduce_across, work.marks, "reduce", partitions, show=False)
        elif isinstance(stage, Ask):
            task = tasks.take_replies
            if not scored:
                facts = self._ask(step, stage, work, above)
            else:
                facts = {"model": work.model} | Tally(cached=above.rows()).facts()
        assert isinstance(stage, (Each, Across, Ask))
        results = self._items(step, work, task, work.folder, "part", parts)
        if isinstance(stage, Across):
            shutil.rmtree(work.marks / tasks.SHUFFLE, ignore_errors=True)
        return facts, results

    def _items(
        self,
        step: Step,
        work: Work,
        task: Callable[[Item], dict[str, Any]],
        folder: Path,
        kind: str,
        whats: list[Any],
        *,
        show: bool = True,
    ) -> list[dict[str, Any]]:
        """Run the items that have no record yet; the records of all, in order."""
        left = [Item(work, at, what) for at, what in enumerate(whats) if tasks.record_of(folder, kind, at) is None]
        done = len(whats) - len(left)
        totals = {"kept": 0, "dropped": 0}
        for result in self.executor.map(task, left):
            done += 1
            for name in totals:
                totals[name] += result.get(name, 0)
            if show:
                rows = totals["kept"] + totals["dropped"]
                ahead = rows * len(whats) // done
                self.listen(Progress(step.name, rows, ahead, kept=totals["kept"], dropped=totals["dropped"]))
        records = [tasks.record_of(folder, kind, at) for at in range(len(whats))]
        return [record for record in records if record is not None]

    def _ask(self, step: Step, stage: Ask, work: Work, above: Above) -> dict[str, Any]:
        """Ask what the journal does not answer yet."""
        assert step.teacher is not None
        score = scorer(stage)
        assert isinstance(score, Ask)
        total = above.rows()
        reader = Journal(work.journal)
        wanted = self._wanted(stage, score, work, above, reader)
        told = wanted.diversity

        def heard(tally: Tally) -> None:
            ended = tally.answered + tally.failed + tally.cached
            self.listen(
                Progress(
                    step.name,
                    ended,
                    (wanted.want or total) + tally.followed,
                    tokens=tally.tokens,
                    cached=tally.cached,
                    failed=tally.failed,
                    usd=tally.usd,
                    waiting=tally.waiting,
                    note=told.note(),
                )
            )

        tally = Tally(cached=total)
        try:
            if wanted.want is not None or _any_left(score, work, stream_rows(score, work, above), reader):
                passes = wanted.passes()
                first = None if step.teacher.batch else next(passes, None)
                tally = Tally()
                if step.teacher.batch:
                    tally = asyncio.run(self._ask_batches(step, score, work, above, reader, heard, wanted))
                elif first is not None:
                    open_ = awaited(score, stream_rows(score, work, above), work.params, looking(reader))
                    never_twice(open_, work.journal)
                    every = chain([first], passes)
                    tally = asyncio.run(self._ask_teacher(step, score, work, reader, every, heard, wanted.seen))
                tally.cached += wanted.cached
            else:
                wanted.recall()
            facts = {"model": work.model} | tally.facts() | {"diversity": wanted.facts()}
        finally:
            reader.close()
        if told.stop is not None:
            raise told.stop
        if wanted.want is not None:
            wanted.taken.save(work.marks / TAKEN)
        return facts

    def _wanted(self, stage: Ask, score: Ask, work: Work, above: Above, reader: Journal) -> Wanted:
        """The step's requests in the order in which they are asked, watched."""
        watching = Watching.of(stage)
        look = looking(reader)

        def known(keys: Iterable[str]) -> dict[str, Reply]:
            return {key: reply for key, reply in look(list(keys)).items() if reply.error != "transport"}

        def rows(every: int) -> Iterator[Row]:
            return stream_watched(score, work, above, watching, every)

        some = next(reader.keys(), None) is not None
        return Wanted(rows, above.rows(), Diversity(watching), known, known=some)

    def ask_first(self, step: Step, keys: StepKeys, above: Above, count: int) -> tuple[Tally, list[Reply]]:
        """Ask the first `count` rows' requests of a step: a pilot. The journal keeps them, so nothing is wasted.

        Returns:
            what was asked, and the last reply to each, in the order of the rows.
        """
        score = scorer(step.stage)
        assert isinstance(score, Ask)
        work = self.work(step, keys, above, self.workspace.artifact(keys.step))

        def heard(tally: Tally) -> None:
            ended = tally.answered + tally.failed + tally.cached
            self.listen(Progress(step.name, ended, count, tokens=tally.tokens, usd=tally.usd, waiting=tally.waiting))

        reader = Journal(work.journal)
        rows = stream_rows(score, work, above)
        try:
            some = list({request.key(): (row, request) for row, request in islice(rows, count)}.values())
            tally = Tally(cached=len(some))
            if _any_left(score, work, iter(some), reader):
                never_twice(awaited(score, iter(some), work.params, looking(reader)), work.journal)
                tally = asyncio.run(self._ask_teacher(step, score, work, reader, iter([iter(some)]), heard))
            return tally, replies_to(score, some, work.params, reader)
        finally:
            reader.close()

    def _say(self, step: Step) -> Callable[[str], None]:
        return lambda line: self.listen(Progress(step.name, note=line))

    def _tick(self, step: Step) -> Callable[[float, str], None]:
        def tick(share: float, note: str) -> None:
            self.listen(Progress(step.name, int(share * 1000), 1000, note=note))

        return tick

    async def _ask_teacher(
        self,
        step: Step,
        score: Ask,
        work: Work,
        reader: Journal,
        passes: Iterable[Rows],
        heard: Callable[[Tally], None],
        seen: Callable[[Request, Reply], None] | None = None,
    ) -> Tally:
        spec = step.teacher
        assert spec is not None
        price = tariff_of(spec)
        total = Tally()
        with self.governor.asking(price.hour), JournalWriter(self.workspace.journal) as writer:
            async with open_teacher(spec.online(), self.cache, self._say(step)) as teacher:
                for rows in passes:
                    chains = Chains(score, work.params, looking(reader)) if chained(score) else None
                    told = partial(_together, total, heard)
                    asker = Asker(teacher, reader, writer, self.governor, price, told, chains, seen)
                    total = total.plus(await asker.ask_all(_begun(rows, chains)))
        return total

    async def _ask_batches(
        self,
        step: Step,
        score: Ask,
        work: Work,
        above: Above,
        reader: Journal,
        heard: Callable[[Tally], None],
        wanted: Wanted,
    ) -> Tally:
        spec, say = step.teacher, self._say(step)
        assert spec is not None
        passes = passes_of(score, partial(stream_rows, score, work, above), work.params, looking(reader), wanted)
        with self.governor.asking(spec.usd_per_hour), JournalWriter(work.journal) as writer:
            return await ask_in_batches(spec, passes, work.journal, reader, writer, self.governor, heard, say)


def _together(before: Tally, heard: Callable[[Tally], None], tally: Tally) -> None:
    heard(before.plus(tally))


def stream(score: Ask, work: Work, above: Above) -> Iterator[Request]:
    """The requests of a step, built piece by piece; rows that give none are left out."""
    for part in above.parts():
        for piece in pieces(part, score.reads):
            found = requests_of(score, piece, work.model, work.params)
            yield from (request for request in found if request is not None)


Rows = Iterator[tuple[Mapping[str, Any], Request]]


def stream_rows(score: Ask, work: Work, above: Above) -> Rows:
    """The first request of each row with the row, which is empty where the stage does not ask in rounds."""
    for part in above.parts():
        for piece in pieces(part, score.reads):
            found = requests_of(score, piece, work.model, work.params)
            rows = rows_of(piece) if chained(score) else repeat({})
            yield from ((row, request) for row, request in zip(rows, found, strict=False) if request is not None)


def stream_watched(score: Ask, work: Work, above: Above, watching: Watching, every: int = 1) -> Iterator[Row]:
    """The rows that can be asked, with their numbers and groups; of every n-th piece alone, where n is more than 1."""
    number = at = 0
    for part in above.parts():
        columns = watching.among(schema_of(part).names)
        reads = None if score.reads is None else list(dict.fromkeys([*score.reads, *columns]))
        for piece in pieces(part, reads):
            at += 1
            if (at - 1) % every == 0:
                have = piece.column_names
                own = piece if score.reads is None else piece.select([name for name in score.reads if name in have])
                found = requests_of(score, own, work.model, work.params)
                groups = groups_of({name: piece.column(name).to_pylist() for name in columns}, piece.num_rows)
                rows = rows_of(own) if chained(score) else repeat({})
                for row, (seen, request) in enumerate(zip(rows, found, strict=False)):
                    if request is not None:
                        yield Row(number + row, groups[row], request, seen)
            number += piece.num_rows


def _begun(rows: Rows, chains: Chains | None) -> Iterator[Request]:
    """The requests, each made known as the beginning of its row's chain."""
    for row, request in rows:
        if chains is not None:
            chains.begin(request, row)
        yield request


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


def _any_left(score: Ask, work: Work, rows: Rows, reader: Journal) -> bool:
    """Whether the journal lacks any reply: if not, no teacher need be opened at all."""
    while some := list(islice(rows, _LOOK)):
        if chained(score):
            if follow(score, some, work.params, looking(reader))[1]:
                return True
            continue
        keys = [request.key() for _, request in some]
        known = reader.find(keys)
        if any(key not in known or known[key].error == "transport" for key in keys):
            return True
    return False
