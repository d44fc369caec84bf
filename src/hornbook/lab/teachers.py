"""Comparing teachers: the recipe with a branch for each of them, run by the engine like any other recipe.

What a comparison asks is therefore journaled, budgeted, resumed and looked at like a run: it is the run
`NAME-teachers`. Only the steps up to the prompts, which are the recipe's own, are shared with it by their keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hornbook.core.errors import BudgetStop, HornbookError, Interrupted, UserError
from hornbook.core.stage import Across, Artifact, Ask, Each, Stage
from hornbook.engine.budget import governed
from hornbook.engine.events import StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.finding import find_stage, kind_of
from hornbook.engine.mistakes import checked
from hornbook.engine.recipe import Recipe, Step, ancestors
from hornbook.engine.results import answered
from hornbook.engine.run import sole, step_keys
from hornbook.engine.workspace import RunFolder
from hornbook.lab.contenders import Contender
from hornbook.store.artifacts import finished
from hornbook.teachers.spec import TeacherSpec

SELFCHECK, SAMPLES = "evaluate.selfcheck", 5
"""The stage that scores hallucination, and how often it asks a prompt again; alone it asks 20 times."""
PAIRS, PAIRWISE = _TOGETHER = ("judged-pairs", "judged-pairwise")
"""Steps of all branches together."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be compared.

    Args:
        prompts: how many prompts each teacher gets.
        step: the step whose teacher is compared; empty: the first that generates.
        judge: who judges, None for nobody.
        rubric, pairwise: rubric files of the judge.
        readings: how often it reads each text.
        selfcheck: whether hallucination is scored as well.
    """

    prompts: int = 100
    step: str = ""
    judge: TeacherSpec | None = None
    rubric: str = "shipped:judges/textbook.en.yaml"
    pairwise: str = "shipped:judges/pairwise.en.yaml"
    readings: int = 2
    selfcheck: bool = False


@dataclass(frozen=True, slots=True)
class Branches:
    """The recipe with a branch for each teacher.

    Args:
        recipe: it.
        step: the recipe's own step whose teacher is compared.
        drawn: the step that draws the prompts.
        asks, ends, judges, checks: teacher → the branch's step that asks, its last filter, its judge, its check.
        filters: the filters of the recipe that each branch has.
        pairwise: the step that judges pairs, '' where there is none.
        says: what a person should know.
    """

    recipe: Recipe
    step: str
    drawn: str
    asks: dict[str, str]
    ends: dict[str, str]
    judges: dict[str, str]
    checks: dict[str, str]
    filters: tuple[str, ...]
    pairwise: str
    says: tuple[str, ...]


@dataclass
class Outcome:
    """What came of the branches: finished steps by name, and those that failed, with the reason."""

    done: dict[str, Artifact] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    usd: float = 0.0
    tokens: int = 0


def branch(recipe: Recipe, found: Sequence[Contender], wish: Wish) -> Branches:
    """The recipe up to its prompts, `wish.prompts` of these, and for each teacher the rest up to the last filter.

    Raises:
        UserError: no step generates, or not the one that is named.
    """
    asking = asking_of(recipe, wish.step)
    before = ancestors(asking.above, recipe.steps)
    draw = Step("drawn", "evaluate.draw", _made("evaluate.draw", count=wish.prompts, seed=recipe.seed), asking.above)
    filters, says = _filters(recipe, asking)
    steps: list[Step] = [*before, draw]
    asks: dict[str, str] = {}
    ends: dict[str, str] = {}
    judges: dict[str, str] = {}
    checks: dict[str, str] = {}
    for one in found:
        asks[one.name] = f"{asking.name}@{one.name}"
        steps.append(
            replace(asking, name=asks[one.name], stage=_plain(asking.stage), above=(draw.name,), teacher=one.spec)
        )
        ends[one.name] = asks[one.name]
        for each in filters:
            own = f"{each.name}@{one.name}"
            steps.append(replace(each, name=own, above=(ends[one.name],)))
            ends[one.name] = own
    if wish.judge is not None:
        stage = _made("evaluate.judge", rubric=wish.rubric, judges=wish.readings, label="judge")
        for one in found:
            judges[one.name] = f"judge@{one.name}"
            steps.append(Step(judges[one.name], "evaluate.judge", stage, (asks[one.name],), wish.judge))
        steps.append(Step(PAIRS, "evaluate.pairs", _made("evaluate.pairs"), tuple(asks.values())))
        stage = _made("evaluate.pairwise", rubric=wish.pairwise)
        steps.append(Step(PAIRWISE, "evaluate.pairwise", stage, (PAIRS,), wish.judge))
    if wish.selfcheck:
        check, said = _selfcheck(asking.stage)
        says += said
        for one in found if check is not None else ():
            assert check is not None
            checks[one.name] = f"selfcheck@{one.name}"
            asker = one.spec if isinstance(check, Ask) else None
            steps.append(Step(checks[one.name], SELFCHECK, check, (asks[one.name],), asker))
    made = replace(recipe, name=f"{recipe.name}-teachers", steps=tuple(steps))
    return Branches(
        made, asking.name, draw.name, asks, ends, judges, checks, tuple(f.name for f in filters),
        PAIRWISE if judges else "", tuple(says),
    )  # fmt: skip


def run_branches(branches: Branches, setting: Setting) -> Outcome:
    """Run all branches; where a teacher or a judge fails its branch ends, and the others go on.

    Raises:
        BudgetStop: the recipe's budget is spent; what was paid for is kept.
        UserError: something is set wrong, whoever is asked.
    """
    recipe, workspace = branches.recipe, setting.workspace
    with (
        sole(workspace.run(recipe.name), f"`{recipe.name}` is being run"),
        governed(workspace, recipe.name, recipe.budget, recipe.steps) as governor,
    ):
        setting = replace(setting, governor=governor)
        folder = RunFolder(workspace, recipe.name, recipe.resolved())
        outcome = Outcome()
        status = "failed"
        try:
            for number, step in enumerate(recipe.steps, 1):
                _one(branches, step, number, setting, folder, outcome)
            status = "done"
        except (BudgetStop, Interrupted, KeyboardInterrupt):
            status = "stopped"
            raise
        finally:
            outcome.usd, outcome.tokens = governor.usd, governor.tokens
            folder.state |= {"spent_usd": governor.usd, "spent_tokens": governor.tokens, "spent_hours": governor.hours}
            folder.end(status)
    return outcome


def _one(branches: Branches, step: Step, number: int, setting: Setting, folder: RunFolder, outcome: Outcome) -> None:
    """Do one step, unless what it reads has failed."""
    recipe, shared = branches.recipe, "@" not in step.name and step.name not in _TOGETHER
    if step.name == PAIRS:
        step = replace(step, above=tuple(name for name in step.above if name in outcome.done))
    if any(name not in outcome.done for name in step.above) or (step.name == PAIRS and len(step.above) < 2):
        return
    where = (step.name, step.use, kind_of(type(step.stage)), number, len(recipe.steps))
    steps = tuple(one for one in recipe.steps if one.name in outcome.done or one.name == step.name)
    keys, above = step_keys(replace(recipe, steps=steps), step, list(outcome.done.values()), setting)
    place = setting.workspace.artifact(keys.step)
    artifact = finished(place, step.name)
    cached = artifact is not None and answered(artifact)
    if artifact is None or not cached:
        setting.listen(StepEvent("started", *where))
        try:
            artifact = setting.execute(step, keys, above, place)
        except HornbookError as error:
            setting.listen(StepEvent("failed", *where))
            if shared or isinstance(error, (BudgetStop, Interrupted)):
                raise
            if isinstance(error, UserError) and step.use != SELFCHECK:
                raise
            outcome.failed[step.name] = error.what
            return
    setting.listen(StepEvent("cached" if cached else "done", *where, artifact.manifest))
    outcome.done[step.name] = artifact
    folder.step(number, artifact, cached=cached)
    if shared and artifact.makes == "documents" and not artifact.manifest["kept"]:
        raise HornbookError(f"{step.use} left no documents, so there is no prompt to compare with", where=step.name)


def asking_of(recipe: Recipe, name: str) -> Step:
    """The step whose teacher is compared."""
    asks = [step for step in recipe.steps if isinstance(step.stage, Ask)]
    names = ", ".join(step.name for step in asks)
    if name:
        found = next((step for step in asks if step.name == name), None)
        if found is None:
            raise UserError(
                f"no step `{name}` that asks a teacher", where=recipe.source, fix=f"--step: {names or 'none'}"
            )
        return found
    made = [step for step in asks if step.use.startswith("generate.")]
    made += [step for step in asks if type(step.stage).varied]  # type: ignore[attr-defined]
    if not made:
        fix = f"--step names a step that asks: {names}" if names else "a recipe with generate.complete"
        raise UserError("this recipe generates nothing: there are no teachers to compare", where=recipe.source, fix=fix)
    return made[0]


def _plain(stage: Stage) -> Stage:
    """The stage as it asks every prompt once: a wish for so many replies, or a pause, would end a teacher's turn."""
    unset: dict[str, Any] = {name: None for name in ("want", "pause_when") if name in type(stage).model_fields}
    return stage.model_copy(update=unset)


def _filters(recipe: Recipe, asking: Step) -> tuple[list[Step], list[str]]:
    """The steps after the asking one that mark and drop, one after the other, as far as there is one way on."""
    found: list[Step] = []
    says: list[str] = []
    at = asking.name
    for step in recipe.steps[recipe.steps.index(asking) + 1 :]:
        if at not in step.above:
            continue
        if isinstance(step.stage, (Each, Across)):
            found.append(step)
            at = step.name
        elif step.stage.makes == "documents":
            says.append(f"`accepted` ends before {step.name} ({step.use}), which is no filter: it asks, or makes rows")
            break
    return found, says


def _selfcheck(asking: Stage) -> tuple[Stage | None, list[str]]:
    """The stage that scores hallucination, with fewer samples than alone, where it can be had."""
    try:
        return _made(SELFCHECK, k=SAMPLES, max_tokens=getattr(asking, "max_tokens", None)), []
    except UserError as error:
        return None, [f"hallucination is not scored: {error.what}"]


def _made(use: str, **knobs: Any) -> Stage:
    """A stage with its knobs."""
    kind = find_stage(use)
    values: Mapping[str, Any] = knobs
    return checked(kind, values, use, lambda knob: f"compare-teachers: {knob}")
