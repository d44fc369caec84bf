"""Doing one step: its items, its marks, its requests, its manifest."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hornbook.core.asking import Reply
from hornbook.core.stage import Across, Artifact, Ask, Each, Job, Source
from hornbook.engine import tasks
from hornbook.engine.asking import Tally
from hornbook.engine.budget import Governor
from hornbook.engine.events import Listener, Progress
from hornbook.engine.executors import Executor
from hornbook.engine.keys import StepKeys
from hornbook.engine.recipe import Step
from hornbook.engine.results import answered, end_marks, forget, manifest_of, never_empty, sweep, unreached
from hornbook.engine.streams import rows_asked
from hornbook.engine.tasks import Item, Work
from hornbook.engine.teaching import Teaching, teacher_name
from hornbook.engine.workspace import Workspace
from hornbook.store.agreeing import agree
from hornbook.store.artifacts import Above, artifact_at, finished
from hornbook.store.manifest import MANIFEST, Manifest


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

    def together(self, steps: Sequence[tuple[Step, StepKeys, Above, Path]]) -> None:
        """Do several jobs side by side, each in a worker, and write the manifest of each as it ends.

        Args:
            steps: each with its keys, what it reads, and the folder for its result; none reads from another.
        """
        with ExitStack() as locks:
            for step, keys, *_ in sorted(steps, key=lambda one: one[1].marks):  # one order: no two runs wait in a ring
                locks.enter_context(self._alone(step, keys))
            left = [one for one in steps if finished(one[3], one[0].name) is None]
            works = [self.work(*one) for one in left]
            for work in works:
                sweep(work)
                work.folder.mkdir(parents=True, exist_ok=True)
            items = [Item(work, at) for at, work in enumerate(works)]
            for done, result in enumerate(self.executor.map(tasks.do_job, items), 1):
                step, keys, above, folder = left[result["at"]]
                manifest = manifest_of(works[result["at"]], step, keys, above, [], result["facts"])
                manifest.seconds = round(result["seconds"], 3)
                manifest.write(folder)
                note = f"{done} of {len(left)} such steps, {self.executor.workers} at a time"
                self.listen(Progress(steps[0][0].name, done * 1000 // len(left), 1000, note=note))

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
                self._rounds(step, stage, work, above)
        elif isinstance(stage, Ask):
            task = tasks.take_replies
            if not scored:
                facts = self._teaching(step, work, above).ask()
            else:
                facts = {"model": work.model} | Tally(cached=rows_asked(stage, above)).facts()
        assert isinstance(stage, (Each, Across, Ask))
        results = self._items(step, work, task, work.folder, "part", parts)
        if isinstance(stage, Across):
            shutil.rmtree(work.marks / tasks.SHUFFLE, ignore_errors=True)
        return facts | tasks.facts_of(stage, work.marks, len(parts)), results

    def _rounds(self, step: Step, stage: Across, work: Work, above: Above) -> None:
        """Map, shuffle and reduce, as often as the stage wants; each round sees the facts of the one before."""
        places = list(zip(above.parts(), above.starts(), strict=True))
        lanes = tasks.lanes_for(above.rows())
        for number in range(len(stage.rounds())):
            parts = [(*place, number) for place in places]
            self._items(step, work, tasks.map_across, work.marks, f"map-{number}", parts, show=False)
            self._items(step, work, tasks.reduce_across, work.marks, f"reduce-{number}", [number] * lanes, show=False)
            shutil.rmtree(work.marks / tasks.SHUFFLE / f"map-{number}", ignore_errors=True)

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
        for result in self.executor.map(task, left, threads=step.stage.in_threads):
            done += 1
            for name in totals:
                totals[name] += result.get(name, 0)
            if show:
                rows = totals["kept"] + totals["dropped"]
                ahead = rows * len(whats) // done
                self.listen(Progress(step.name, rows, ahead, kept=totals["kept"], dropped=totals["dropped"]))
        records = [tasks.record_of(folder, kind, at) for at in range(len(whats))]
        return [record for record in records if record is not None]

    def ask_first(self, step: Step, keys: StepKeys, above: Above, count: int) -> tuple[Tally, list[Reply]]:
        """Ask the first `count` rows' requests of a step: see `Teaching.ask_first`."""
        work = self.work(step, keys, above, self.workspace.artifact(keys.step))
        return self._teaching(step, work, above).ask_first(count)

    def _teaching(self, step: Step, work: Work, above: Above) -> Teaching:
        return Teaching(step, work, above, self.cache, self.listen, self.governor)

    def _say(self, step: Step) -> Callable[[str], None]:
        return lambda line: self.listen(Progress(step.name, note=line))

    def _tick(self, step: Step) -> Callable[[float, str], None]:
        def tick(share: float, note: str) -> None:
            self.listen(Progress(step.name, int(share * 1000), 1000, note=note))

        return tick
