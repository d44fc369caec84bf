"""Running a recipe: step by step, each done once for one key, resumed where it stopped."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from hornbook import __version__
from hornbook.core.asking import Request
from hornbook.core.documents import ID, ORIGIN, TEXT
from hornbook.core.errors import BudgetStop, HornbookError, UserError
from hornbook.core.stage import Across, Artifact, Ask, Each, Job, Source
from hornbook.engine import tasks
from hornbook.engine.asking import Asker, Price, Tally, requests_of
from hornbook.engine.budget import Governor
from hornbook.engine.events import Listener, Progress, StepEvent
from hornbook.engine.executors import Executor
from hornbook.engine.finding import kind_of
from hornbook.engine.keys import StepKeys, keys_of, output_of, scorer
from hornbook.engine.recipe import Recipe, Step, ancestors
from hornbook.engine.tasks import Item, Work
from hornbook.engine.workspace import RunFolder, Workspace
from hornbook.store.artifacts import Above, artifact_at
from hornbook.store.journal import Journal, JournalWriter
from hornbook.store.manifest import Manifest
from hornbook.store.parts import pieces, schema_of, write_empty
from hornbook.teachers.spec import TeacherSpec, model_name, open_teacher

BASE = pa.schema([(ID, pa.string()), (TEXT, pa.string()), (ORIGIN, pa.string())])


@dataclass
class Runner:
    """Runs recipes in a workspace.

    Args:
        workspace: where results go.
        executor: how work is spread.
        cache: the user's cache folder (weights, digests of input files).
        listen: hears what happens.
    """

    workspace: Workspace
    executor: Executor
    cache: Path
    listen: Listener

    def run(self, recipe: Recipe) -> list[Artifact]:
        """Run a recipe to its end; finished steps are not done again.

        Returns:
            The finished steps, in order.

        Raises:
            HornbookError: with its exit code; what was done is kept and the next run goes on from there.
        """
        self.workspace.run(recipe.name).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.workspace.run(recipe.name) / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"`{recipe.name}` is being run by another process",
                where=str(self.workspace.run(recipe.name)),
                fix="wait for it, or --set name=another",
            ) from None
        try:
            return self._run(recipe)
        finally:
            lock.release()

    def _run(self, recipe: Recipe) -> list[Artifact]:
        folder = RunFolder(self.workspace, recipe.name, recipe.resolved())
        budget = recipe.budget
        governor = Governor(
            budget.usd,
            budget.tokens,
            budget.hours,
            spent_usd=folder.state["spent_usd"],
            spent_tokens=folder.state["spent_tokens"],
        )
        done: list[Artifact] = []
        try:
            for number, step in enumerate(recipe.steps, 1):
                artifact, cached = self._step(recipe, step, number, done, governor)
                done.append(artifact)
                folder.step(number, artifact, cached=cached)
                _some_left(artifact, step, recipe, self.workspace)
        except BaseException as error:
            folder.state |= {"spent_usd": governor.usd, "spent_tokens": governor.tokens, "error": str(error)}
            folder.end("stopped" if isinstance(error, (BudgetStop, KeyboardInterrupt)) else "failed")
            raise
        folder.state |= {"spent_usd": governor.usd, "spent_tokens": governor.tokens}
        folder.end("done", next((a for a in reversed(done) if a.makes == "documents"), None))
        return done

    def _step(
        self, recipe: Recipe, step: Step, number: int, done: list[Artifact], governor: Governor
    ) -> tuple[Artifact, bool]:
        keys, above = self.keys(recipe, step, done)
        folder = self.workspace.artifact(keys.step)
        kind = kind_of(type(step.stage))
        where = (step.name, step.use, kind, number, len(recipe.steps))
        if (folder / "manifest.json").exists():
            artifact = artifact_at(folder, step.name)
            self.listen(StepEvent("cached", *where, artifact.manifest))
            return artifact, True
        self.listen(StepEvent("started", *where))
        try:
            artifact = self.execute(step, keys, above, folder, governor)
        except BaseException:
            self.listen(StepEvent("failed", *where))
            raise
        self.listen(StepEvent("done", *where, artifact.manifest))
        return artifact, False

    def keys(self, recipe: Recipe, step: Step, done: list[Artifact]) -> tuple[StepKeys, Above]:
        """A step's keys, and what stands above it; all steps above must be done."""
        by_name = {artifact.step: artifact for artifact in done}
        above = above_of(step, recipe.steps, by_name)
        seen = recipe.resolved() if step.stage.reads_recipe else {}
        above.recipe = seen
        model, params = self._teacher(step)
        inputs = [by_name[name].manifest["output"] for name in step.above]
        digests = self.cache / "digests.json"
        return keys_of(step.use, step.stage, inputs, model=model, params=params, recipe=seen, cache=digests), above

    def _teacher(self, step: Step) -> tuple[str, dict[str, Any]]:
        if step.teacher is None:
            return "", {}
        return model_name(step.teacher, self.cache), step.teacher.params()

    def execute(self, step: Step, keys: StepKeys, above: Above, folder: Path, governor: Governor) -> Artifact:
        """Do the work of one step and write its manifest."""
        began = time.monotonic()
        stage = step.stage
        model, params = self._teacher(step)
        work = Work(
            use=step.use,
            knobs=stage.model_dump(mode="json"),
            above=above.describe(),
            folder=folder,
            marks=self.workspace.artifact(keys.marks) if not isinstance(stage, (Source, Job)) else folder,
            recipe=dict(above.recipe),
            model=model,
            params=params,
            journal=self.workspace.journal,
        )
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {}
        results: list[dict[str, Any]] = []
        if isinstance(stage, Job):
            facts = stage.run(above, folder, self._tick(step))
        elif isinstance(stage, Source):
            results = self._items(step, work, tasks.read_source, folder, "part", stage.shards(above))
        else:
            work.marks.mkdir(parents=True, exist_ok=True)
            facts, results = self._marked(step, work, above, governor)
            _marks_manifest(work, stage.version, keys, results)
        manifest = _manifest(work, step, keys, above, results, facts, time.monotonic() - began)
        if manifest.makes == "documents" and not isinstance(stage, Job):
            _never_empty(manifest, folder, above)
        manifest.write(folder)
        shutil.rmtree(folder / tasks.RECORDS, ignore_errors=True)
        return artifact_at(folder, step.name)

    def _marked(
        self, step: Step, work: Work, above: Above, governor: Governor
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Each, Across and Ask: marks, then rules, part by part."""
        stage = step.stage
        parts = list(range(len(above.parts())))
        facts: dict[str, Any] = {}
        task: Callable[[Item], dict[str, Any]] = tasks.mark_each
        scored = (work.marks / "manifest.json").exists()
        if isinstance(stage, Across):
            task = tasks.apply_across
            if not scored:
                self._items(step, work, tasks.map_across, work.marks, "map", parts, show=False)
                partitions = list(range(stage.partitions))
                self._items(step, work, tasks.reduce_across, work.marks, "reduce", partitions, show=False)
        elif isinstance(stage, Ask):
            task = tasks.take_replies
            if not scored:
                facts = self._ask(step, stage, work, above, governor)
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

    def _ask(self, step: Step, stage: Ask, work: Work, above: Above, governor: Governor) -> dict[str, Any]:
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

        def requests() -> Iterator[Request]:
            for part in above.parts():
                for piece in pieces(part, stage.reads):
                    found = requests_of(score, piece, work.model, work.params)
                    yield from (request for request in found if request is not None)

        reader = Journal(work.journal)
        try:
            if not _any_left(requests(), reader):
                return Tally(cached=total).facts()
            return asyncio.run(_ask(step.teacher, self.cache, reader, work, governor, requests(), heard)).facts()
        finally:
            reader.close()

    def _tick(self, step: Step) -> Callable[[float, str], None]:
        def tick(share: float, note: str) -> None:
            self.listen(Progress(step.name, int(share * 1000), 1000, note=note))

        return tick


async def _ask(
    spec: TeacherSpec,
    cache: Path,
    reader: Journal,
    work: Work,
    governor: Governor,
    requests: Iterator[Request],
    heard: Callable[[Tally], None],
) -> Tally:
    price = Price(spec.price.input, spec.price.output, spec.price.usd_per_hour)
    with JournalWriter(work.journal) as writer:
        async with open_teacher(spec, cache) as teacher:
            return await Asker(teacher, reader, writer, governor, price, heard).ask_all(requests)


def _any_left(requests: Iterator[Request], reader: Journal) -> bool:
    """Whether the journal lacks any reply: if not, no teacher need be opened at all."""
    while True:
        keys = [request.key() for request, _ in zip(requests, range(512), strict=False)]
        if not keys:
            return False
        known = reader.find(keys)
        if any(key not in known or known[key].error == "transport" for key in keys):
            return True


def above_of(step: Step, steps: tuple[Step, ...], done: dict[str, Artifact]) -> Above:
    """What a step sees: all its ancestors, and those whose documents flow into it."""
    before = [done[found.name] for found in ancestors(step.above, steps)]
    sources: list[Artifact] = []
    for name in step.above:
        chain = [done[found.name] for found in ancestors((name,), steps)]
        nearest = next((a for a in reversed(chain) if a.makes == "documents"), None)
        if nearest is not None and all(nearest.folder != s.folder for s in sources):
            sources.append(nearest)
    return Above(before, sources)


def _marks_manifest(work: Work, version: str, keys: StepKeys, results: list[dict[str, Any]]) -> None:
    if (work.marks / "manifest.json").exists():
        return
    rows = sum(result["rows_in"] for result in results)
    Manifest(
        stage=work.use, kind="marks", version=version, key=keys.marks, output=keys.marks, rows_in=rows, kept=rows,
        hornbook=__version__,
    ).write(work.marks)


def _manifest(
    work: Work,
    step: Step,
    keys: StepKeys,
    above: Above,
    results: list[dict[str, Any]],
    facts: dict[str, Any],
    seconds: float,
) -> Manifest:
    stage = step.stage
    kind = kind_of(type(stage))
    reasons: dict[str, int] = {}
    for result in results:
        for reason, many in result["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + many
    rules = list(stage.drops())
    reasons = {r: reasons[r] for r in sorted(reasons, key=lambda r: (rules.index(r) if r in rules else 99, r))}
    parts = [file for result in results for file in result["parts"]]
    through = above.rows() if isinstance(stage, Job) else 0
    return Manifest(
        stage=step.use,
        kind=kind,
        version=stage.version,
        key=keys.step,
        output=output_of(kind, keys.step, work.folder, parts, facts),
        makes=stage.makes,
        knobs=work.knobs,
        inputs=[a.manifest["output"] for a in above.sources],
        rows_in=sum(r["rows_in"] for r in results) or through,
        kept=sum(r["kept"] for r in results) or through,
        dropped=sum(r["dropped"] for r in results),
        reasons=reasons,
        facts=facts,
        parts=parts,
        drops=[file for result in results for file in result["drops"]],
        seconds=round(seconds, 3),
        hornbook=__version__,
    )


def _never_empty(manifest: Manifest, folder: Path, above: Above) -> None:
    """A folder always holds a part and a part of drops, if need be without rows, so that readers find columns."""
    if manifest.parts:
        schema = schema_of(folder / manifest.parts[0]["file"])
    elif above.parts():
        schema = schema_of(above.parts()[0])
    else:
        schema = BASE
    if not manifest.parts:
        write_empty(folder, "part-00000", schema)
    if not manifest.drops:
        gone = pa.schema([*schema, pa.field("reason", pa.string()), pa.field("evidence", pa.string())])
        write_empty(folder / "dropped", "part-00000", gone)


def _some_left(artifact: Artifact, step: Step, recipe: Recipe, workspace: Workspace) -> None:
    """Stop where no document is left: nothing after it could mean anything."""
    manifest = artifact.manifest
    if artifact.makes != "documents" or manifest["kept"] > 0:
        return
    place = f"{recipe.source}:{step.line}, step {step.name}" if step.line else f"step {step.name}"
    if manifest["rows_in"] == 0:
        raise UserError(
            f"{step.use} found no documents", where=place, fix="see that what it reads exists and is not empty"
        )
    counts = ", ".join(f"{many:,} {reason}" for reason, many in manifest["reasons"].items())
    raise HornbookError(
        f"{step.use} dropped all {manifest['rows_in']:,} documents ({counts})",
        where=place,
        fix=f"see them with `hornbook look {recipe.name}`, in {artifact.folder / 'dropped'}; change the limit",
    )

