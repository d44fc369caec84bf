"""Running a recipe: step by step, each done once for one key, resumed where it stopped."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from hornbook.core.errors import BudgetStop, HornbookError, Interrupted, UserError
from hornbook.core.knobs import local_path
from hornbook.core.stage import Artifact, Job
from hornbook.engine.budget import Governor, governed
from hornbook.engine.events import Listener, StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.executors import Executor
from hornbook.engine.finding import kind_of
from hornbook.engine.keys import StepKeys, input_paths, keys_of
from hornbook.engine.recipe import Recipe, Step, ancestors, flowing
from hornbook.engine.results import answered
from hornbook.engine.workspace import RunFolder, Workspace
from hornbook.store.artifacts import Above, aside, finished, product
from hornbook.store.reading.places import missing


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
        with sole(self.workspace.run(recipe.name), f"`{recipe.name}` is being run"):
            return self._run(recipe)

    def _run(self, recipe: Recipe) -> list[Artifact]:
        with governed(self.workspace, recipe.name, recipe.budget, recipe.steps) as governor:
            return self._governed(recipe, governor)

    def _governed(self, recipe: Recipe, governor: Governor) -> list[Artifact]:
        _files_are_there(recipe, self.workspace)
        folder = RunFolder(self.workspace, recipe.name, recipe.resolved())
        setting = Setting(self.workspace, self.executor, self.cache, self.listen, governor)
        done: list[Artifact] = []
        ahead = _Ahead()
        try:
            for number, step in enumerate(recipe.steps, 1):
                self._together(recipe, number, done, setting, ahead)
                artifact, cached = self._step(recipe, step, number, done, setting, ahead)
                done.append(artifact)
                folder.state |= _spent(governor)
                folder.step(number, artifact, cached=cached)
                _some_left(artifact, step, recipe, self.workspace)
        except BaseException as error:
            folder.state |= _spent(governor) | {"error": str(error)}
            folder.end("stopped" if isinstance(error, (BudgetStop, Interrupted, KeyboardInterrupt)) else "failed")
            raise
        folder.end("done", product(done))
        return done

    def _step(
        self, recipe: Recipe, step: Step, number: int, done: list[Artifact], setting: Setting, ahead: _Ahead
    ) -> tuple[Artifact, bool]:
        keys, above = step_keys(recipe, step, done, setting)
        folder = self.workspace.artifact(keys.step)
        kind = kind_of(type(step.stage))
        where = (step.name, step.use, kind, number, len(recipe.steps))
        artifact = finished(folder, step.name)
        if artifact is not None and answered(artifact):
            fresh = step.name in ahead.done
            self.listen(StepEvent("done" if fresh else "cached", *where, artifact.manifest))
            return artifact, not fresh
        self.listen(StepEvent("started", *where))
        try:
            artifact = setting.execute(step, keys, above, folder)
        except BaseException:
            self.listen(StepEvent("failed", *where))
            raise
        self.listen(StepEvent("done", *where, artifact.manifest))
        return artifact, False

    def _together(self, recipe: Recipe, number: int, done: list[Artifact], setting: Setting, ahead: _Ahead) -> None:
        """Do the jobs that come next side by side, where there are workers, and two or more that can be begun now."""
        coming = recipe.steps[number - 1 :]
        if setting.executor.workers < 2 or coming[0].name in ahead.seen:
            return
        names = {artifact.step for artifact in done}
        todo = []
        for step in takewhile(lambda one: isinstance(one.stage, Job), coming):
            if step.name not in ahead.seen and names.issuperset(step.above):
                keys, above = step_keys(recipe, step, done, setting)
                folder = self.workspace.artifact(keys.step)
                if finished(folder, step.name) is None:
                    todo.append((step, keys, above, folder))
                else:
                    ahead.seen.add(step.name)
        if len(todo) > 1:
            todo = list(takewhile(lambda one: isinstance(one[0].stage, Job) and one[0].stage.beside(), todo))
        if len(todo) < 2:
            return
        first = todo[0][0]
        where = (first.name, first.use, kind_of(type(first.stage)), recipe.steps.index(first) + 1, len(recipe.steps))
        self.listen(StepEvent("started", *where))
        try:
            setting.together(todo)
        except BaseException:
            self.listen(StepEvent("failed", *where))
            raise
        ahead.done |= {step.name for step, *_ in todo}
        ahead.seen |= ahead.done


@dataclass
class _Ahead:
    """Names of steps that are known to be done before their turn, and of those that were done now."""

    seen: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)


def _files_are_there(recipe: Recipe, workspace: Workspace) -> None:
    """Look for the files of all steps before the first is begun: an exam's should not be missed after the training.

    What lies in the workspace may be made by the run itself; globs, URLs and ~ are looked at in their
    turn.

    Raises:
        UserError: a file or folder does not exist.
    """
    root = workspace.root.absolute()
    for step in recipe.steps:
        for given in input_paths(step.stage):
            path = Path(local_path(given)).absolute()
            if given.startswith("~") or "://" in given or glob.has_magic(given) or path.is_relative_to(root):
                continue
            try:
                path.stat()
            except (FileNotFoundError, NotADirectoryError):
                line = f"{recipe.source}:{step.line}" if step.line else recipe.source
                raise missing(given, f"{path}, of {line}, step {step.name}") from None
            except (OSError, ValueError):
                continue  # told by what reads it


def _spent(governor: Governor) -> dict[str, float]:
    return {"spent_usd": governor.usd, "spent_tokens": governor.tokens, "spent_hours": governor.hours}


@contextmanager
def sole(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that works in a folder.

    Raises:
        UserError: another one does; `what` begins the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{what} by another process", where=str(folder), fix="wait for it, or use another name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def step_keys(recipe: Recipe, step: Step, done: list[Artifact], setting: Setting) -> tuple[StepKeys, Above]:
    """A step's keys, and what stands above it; all steps above must be done."""
    by_name = {artifact.step: artifact for artifact in done}
    above = above_of(step, recipe.steps, by_name)
    above.recipe = recipe.resolved() if step.stage.reads_recipe else {}
    model, params = setting.teacher(step)
    keys = keys_of(
        step.use,
        step.stage,
        [by_name[name].manifest["output"] for name in step.above],
        model=model,
        params=params,
        recipe=above.recipe,
        cache=setting.cache / "digests.json",
    )
    return keys, above


def above_of(step: Step, steps: tuple[Step, ...], done: dict[str, Artifact]) -> Above:
    """What a step sees: all its ancestors, and those whose documents flow into it; a page is about the product."""
    before = [done[found.name] for found in ancestors(step.above, steps)]
    sources: list[Artifact] = []
    for found in flowing(step, steps):
        nearest = done[found.name]
        if all(nearest.folder != s.folder for s in sources):
            sources.append(nearest)
    if step.stage.makes == "page":
        exams = aside(before)
        made = product(before)
        sources = [a for a in sources if a.folder not in exams] or ([made] if made is not None else [])
    return Above(before, sources, named=step.above)


def _some_left(artifact: Artifact, step: Step, recipe: Recipe, workspace: Workspace) -> None:
    """Stop where no document is left: nothing after it could mean anything."""
    manifest = artifact.manifest
    if artifact.makes != "documents" or manifest["kept"] > 0:
        return
    place = f"{recipe.source}:{step.line}, step {step.name}" if step.line else f"step {step.name}"
    counts = ", ".join(f"{many:,} {reason}" for reason, many in manifest["reasons"].items())
    seen = f"see them with `hornbook look {recipe.name}`, in {artifact.folder / 'dropped'}"
    if manifest["kind"] == "source":
        what = f"{step.use} found no documents" + (f" ({counts})" if counts else "")
        fix = seen if counts else "see that what it reads exists and is not empty"
        raise UserError(what, where=place, fix=fix)
    raise HornbookError(
        f"{step.use} dropped all {manifest['rows_in']:,} documents ({counts})",
        where=place,
        fix=f"{seen}; change the limit",
    )
