"""Doing one step: its items, its marks, its requests, its manifest."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Across, Artifact, Ask, Each, Job, Source
from hornbook.engine import tasks
from hornbook.engine.asking import Asker, Price, Tally, reply_of, requests_of
from hornbook.engine.budget import Governor
from hornbook.engine.events import Listener, Progress
from hornbook.engine.executors import Executor
from hornbook.engine.keys import StepKeys, scorer
from hornbook.engine.recipe import Step
from hornbook.engine.results import answered, end_marks, forget, manifest_of, never_empty, sweep, unreached
from hornbook.engine.tasks import Item, Work
from hornbook.engine.workspace import Workspace
from hornbook.store.agreeing import agree
from hornbook.store.artifacts import Above, artifact_at, finished
from hornbook.store.journal import Journal, JournalWriter
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.store.parts import pieces
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

        def heard(tally: Tally) -> None:
            ended = tally.answered + tally.failed + tally.cached
            self.listen(
                Progress(
                    step.name,
                    ended,
                    total,
                    tokens=tally.tokens,
                    cached=tally.cached,
                    failed=tally.failed,
                    usd=tally.usd,
                    waiting=tally.waiting,
                )
            )

        reader = Journal(work.journal)
        try:
            if not _any_left(stream(score, work, above), reader):
                return {"model": work.model} | Tally(cached=total).facts()
            tally = asyncio.run(self._ask_teacher(step, reader, stream(score, work, above), heard))
            return {"model": work.model} | tally.facts()
        finally:
            reader.close()

    def ask_first(self, step: Step, keys: StepKeys, above: Above, count: int) -> tuple[Tally, list[Reply]]:
        """Ask the first `count` requests of a step: a pilot. The journal keeps them, so nothing is wasted.

        Returns:
            what was asked, and the replies in the order of the requests.
        """
        score = scorer(step.stage)
        assert isinstance(score, Ask)
        work = self.work(step, keys, above, self.workspace.artifact(keys.step))

        def heard(tally: Tally) -> None:
            ended = tally.answered + tally.failed + tally.cached
            self.listen(Progress(step.name, ended, count, tokens=tally.tokens, usd=tally.usd, waiting=tally.waiting))

        reader = Journal(work.journal)
        try:
            some = list(islice(stream(score, work, above), count))
            tally = Tally(cached=len(some))
            if _any_left(iter(some), reader):
                tally = asyncio.run(self._ask_teacher(step, reader, iter(some), heard))
            asked = list(dict.fromkeys(request.key() for request in some))
            entries = reader.find(asked)
            return tally, [reply_of(key, entries) for key in asked]
        finally:
            reader.close()

    def _say(self, step: Step) -> Callable[[str], None]:
        return lambda line: self.listen(Progress(step.name, note=line))

    def _tick(self, step: Step) -> Callable[[float, str], None]:
        def tick(share: float, note: str) -> None:
            self.listen(Progress(step.name, int(share * 1000), 1000, note=note))

        return tick

    async def _ask_teacher(
        self, step: Step, reader: Journal, requests: Iterator[Request], heard: Callable[[Tally], None]
    ) -> Tally:
        spec = step.teacher
        assert spec is not None
        price = Price(spec.price.input, spec.price.output, spec.usd_per_hour)
        with JournalWriter(self.workspace.journal) as writer:
            async with open_teacher(spec, self.cache, self._say(step)) as teacher:
                return await Asker(teacher, reader, writer, self.governor, price, heard).ask_all(requests)


def stream(score: Ask, work: Work, above: Above) -> Iterator[Request]:
    """The requests of a step, built piece by piece; rows that give none are left out."""
    for part in above.parts():
        for piece in pieces(part, score.reads):
            found = requests_of(score, piece, work.model, work.params)
            yield from (request for request in found if request is not None)


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


def _any_left(requests: Iterator[Request], reader: Journal) -> bool:
    """Whether the journal lacks any reply: if not, no teacher need be opened at all."""
    while True:
        keys = [request.key() for request, _ in zip(requests, range(_LOOK), strict=False)]
        if not keys:
            return False
        known = reader.find(keys)
        if any(key not in known or known[key].error == "transport" for key in keys):
            return True
