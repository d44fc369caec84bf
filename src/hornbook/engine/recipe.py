"""Recipes: YAML in, a checked value out, every mistake with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hornbook.core.errors import UserError
from hornbook.core.stage import Ask, Stage
from hornbook.engine.arms import COMPARE, expand, listed
from hornbook.engine.costing import Cost, checked_cost
from hornbook.engine.finding import find_stage
from hornbook.engine.mistakes import M, checked, unknown
from hornbook.engine.overrides import override
from hornbook.engine.scales import Scale, scale_of
from hornbook.engine.shipped import read_recipe
from hornbook.engine.yamls import Lines, parse
from hornbook.teachers.spec import TeacherSpec

STEP_KEYS = ("use", "name", "from", "teacher")


class Budget(BaseModel):
    """Where a run stops, with exit code 3. Unset means no limit."""

    model_config = ConfigDict(extra="forbid")

    usd: float | None = Field(None, ge=0, description="money for teachers, US dollars")
    tokens: int | None = Field(None, ge=0, description="prompt and completion tokens together")
    hours: float | None = Field(None, ge=0, description="wall time of asking, hours")


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a recipe, checked.

    Args:
        name: what `from:` and `--set` call it.
        use: the stage's path.
        stage: the stage with its knobs.
        above: names of the steps it reads from.
        teacher: the teacher it asks, for stages that ask.
        line: its line in the recipe file, 0 where there is none.
    """

    name: str
    use: str
    stage: Stage
    above: tuple[str, ...]
    teacher: TeacherSpec | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe.

    Args:
        name: names the run's folder.
        about: one line for people.
        seed: the seed of every stage that has a knob of that name and does not set it.
        budget: where asking stops.
        teacher: the teacher of all steps that do not name their own.
        steps: in order; each reads from steps before it.
        source: the file it was read from.
        scale: the size it is done at, one of `scales:`; without a name where there are none.
        cost: how the whole of it is priced, where it says so.
    """

    name: str
    about: str
    seed: int
    budget: Budget
    teacher: TeacherSpec
    steps: tuple[Step, ...]
    source: str = ""
    scale: Scale = field(default_factory=Scale)
    cost: Cost | None = None

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    def resolved(self) -> dict[str, Any]:
        """Everything that was decided, defaults included, as YAML or JSON can say it."""
        steps = []
        for step in self.steps:
            entry: dict[str, Any] = {"use": step.use, "name": step.name, "from": list(step.above)}
            entry |= step.stage.model_dump(mode="json")
            if step.teacher is not None and step.teacher != self.teacher:
                entry["teacher"] = step.teacher.model_dump(mode="json", exclude_none=True)
            steps.append(entry)
        more: dict[str, Any] = {"scale": self.scale.name} if self.scale.name else {}
        if self.cost is not None:
            more["cost"] = self.cost.model_dump(mode="json", exclude_none=True)
        return {
            "name": self.name,
            "about": self.about,
            **more,
            "seed": self.seed,
            "budget": self.budget.model_dump(exclude_none=True),
            "teacher": self.teacher.model_dump(mode="json", exclude_none=True),
            "steps": steps,
        }


def load_recipe(name: str, overrides: dict[str, Any] | None = None, scale: str | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        name: a path to a YAML file, or the name of a shipped recipe.
        overrides: dotted name → value, as `--set` gives them: `seed`, `budget.usd`, `teacher.url`,
            `STEP.KNOB` or `STAGE.PATH.KNOB`. They win over those of the scale.
        scale: one of the recipe's `scales:`; None: the one that its `scale:` names.

    Raises:
        UserError: no such recipe, broken YAML, unknown stage or knob, wrong type, out of bounds, a
            step that reads what no step above makes. Says the line and the nearest right name.
    """
    text, source = read_recipe(name)
    data, lines = parse(text, source)
    return check(data, lines, overrides or {}, scale)


def check_data(data: dict[str, Any], source: str) -> Recipe:
    """A checked recipe from values instead of a file.

    Args:
        data: what the YAML would hold.
        source: what messages call it.
    """
    return check(data, Lines(source), {})


def check(data: dict[str, Any], lines: Lines, overrides: dict[str, Any], wanted: str | None = None) -> Recipe:
    """Turn the YAML's values into a checked recipe."""
    known = ("name", "about", "seed", "budget", "teacher", "scale", "scales", "cost", "steps", COMPARE)
    for key in data:
        if key not in known:
            raise unknown("key", str(key), known, lines.key(str(key)))
    entries = data.get("steps")
    if not isinstance(entries, list) or not entries:
        raise UserError("a recipe needs steps", where=lines.source, fix="steps: [{use: sources.files, path: …}, …]")
    entries = [_entry(entry, at, lines) for at, entry in enumerate(entries)]
    names = _names(entries, lines)
    top: dict[str, Any] = {key: data[key] for key in known if key in data and key != "steps"}
    top |= {COMPARE: arms} if (arms := listed(data, lines)) is not None else {}
    scale = scale_of(data, wanted, lines)
    override(top, entries, names, scale.sets, lines, scale.label(lines))
    override(top, entries, names, overrides, lines)
    teacher = _part(TeacherSpec, "teacher", top, lines)
    budget = _part(Budget, "budget", top, lines)
    seed = top.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UserError(f"seed = {seed!r} is not a whole number", where=lines.key("seed"), fix="seed: 17")
    if top.get(COMPARE) is not None:
        expand(top[COMPARE], entries, names, seed, lines)
    steps: list[Step] = []
    for at, (entry, name) in enumerate(zip(entries, names, strict=True)):
        steps.append(_step(entry, name, at, steps, seed, teacher, lines))
    title = _title(str(top.get("name") or Path(lines.source).stem), lines)
    cost = checked_cost(top.get("cost"), scale, [step.name for step in steps], lines)
    return Recipe(title, str(top.get("about", "")), seed, budget, teacher, tuple(steps), lines.source, scale, cost)


def _title(name: str, lines: Lines) -> str:
    """The recipe's name, which names a folder beside `artifacts` and `journal`."""
    if not re.fullmatch(r"[\w][\w. -]*", name) or name in {"artifacts", "journal"}:
        fix = "letters, digits, - and _; not artifacts, not journal"
        raise UserError(f"name = {name!r} cannot name a run's folder", where=lines.key("name"), fix=fix)
    return name


def _part(model: type[M], key: str, top: dict[str, Any], lines: Lines) -> M:
    """The value of `teacher:` or `budget:`."""
    value = top.get(key) or {}
    if not isinstance(value, dict):
        raise UserError(f"{key} = {value!r} is not a mapping", where=lines.key(key), fix=f"{key}: {{name: value}}")
    return checked(model, value, key, lambda knob: lines.key(key))


def _entry(entry: Any, at: int, lines: Lines) -> dict[str, Any]:
    if isinstance(entry, str):
        entry = {"use": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("use"), str):
        raise UserError("a step needs `use:`", where=lines.step(at), fix="- use: quality.repetition")
    return dict(entry)


def _names(entries: list[dict[str, Any]], lines: Lines) -> list[str]:
    """Names as given; else the stage's folder, or folder-stage where a recipe uses several of a folder."""
    folders = [entry["use"].rpartition(".")[0].rpartition(".")[2] or entry["use"] for entry in entries]
    names: list[str] = []
    for at, (entry, folder) in enumerate(zip(entries, folders, strict=True)):
        own = folder if folders.count(folder) == 1 else entry["use"].replace(".", "-")
        name = str(entry.get("name") or own)
        if "name" in entry and name in names:
            raise UserError(f"two steps are called `{name}`", where=lines.step(at, "name"), fix="names must differ")
        base, number = name, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def _step(
    entry: dict[str, Any],
    name: str,
    at: int,
    before: list[Step],
    seed: int,
    teacher: TeacherSpec,
    lines: Lines,
) -> Step:
    where = lines.step(at, "use", name)
    stage = find_stage(entry["use"], where)
    knobs = {key: value for key, value in entry.items() if key not in STEP_KEYS}
    if "seed" in stage.model_fields and "seed" not in knobs:
        knobs["seed"] = seed
    made = checked(stage, knobs, entry["use"], lambda knob: lines.step(at, knob, name))
    own = entry.get("teacher")
    merged = teacher
    if own is not None:
        if not isinstance(own, dict):
            fix = "teacher: {url: …, model: …}"
            raise UserError(f"teacher = {own!r} is not a mapping", where=lines.step(at, "teacher", name), fix=fix)
        if not isinstance(made, Ask):
            fix = "leave `teacher:` out"
            raise UserError(f"{entry['use']} asks no teacher", where=lines.step(at, "teacher", name), fix=fix)
        both = teacher.model_dump(exclude_unset=True) | own
        merged = checked(TeacherSpec, both, f"{name}.teacher", lambda key: lines.step(at, "teacher", name))
    above = _above(entry.get("from"), before, made, lines.step(at, "from", name))
    _has_needs(made, entry["use"], above, before, where)
    line = lines.steps[at] if lines.steps else 0
    return Step(name, entry["use"], made, above, merged if isinstance(made, Ask) else None, line)


def _above(given: Any, before: list[Step], stage: Stage, where: str) -> tuple[str, ...]:
    """The steps named by `from:`; else the one above, for a stage that needs anything."""
    if given is None:
        return (before[-1].name,) if before and stage.needs else ()
    names = [given] if isinstance(given, str) else list(given)
    known = [step.name for step in before]
    for wanted in names:
        if wanted not in known:
            raise unknown("step in `from`", str(wanted), known, where)
    return tuple(str(n) for n in names)


def ancestors(above: tuple[str, ...], before: list[Step] | tuple[Step, ...]) -> list[Step]:
    """All steps that stand above, in recipe order."""
    by_name = {step.name: step for step in before}
    wanted: set[str] = set()
    todo = list(above)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += by_name[name].above
    return [step for step in before if step.name in wanted]


def flowing(step: Step, steps: tuple[Step, ...]) -> list[Step]:
    """The steps whose documents flow into a step, in the order of `from:`.

    Those that `from:` names and that make documents; of a step that makes something else the nearest documents above
    it, unless `from:` names documents beside it: `[TOKENS, DOCUMENTS]` are not the documents of the tokens as well. A
    page is about all of them.
    """
    by_name = {one.name: one for one in steps}
    named = [by_name[name] for name in step.above]
    own = [one for one in named if one.stage.makes == "documents"]
    if own and step.stage.makes != "page":
        return own
    chains = [ancestors((one.name,), steps) for one in named]
    nearest = [next((one for one in reversed(chain) if one.stage.makes == "documents"), None) for chain in chains]
    return [one for one in nearest if one is not None]


def _has_needs(stage: Stage, use: str, above: tuple[str, ...], before: list[Step], where: str) -> None:
    made = {step.stage.makes for step in ancestors(above, before)}
    for need in stage.needs:
        if need not in made:
            makers = {
                "documents": "sources.files",
                "tokens": "tokenize.bpe",
                "student": "train.student",
                "exam": "evaluate.bits",
                "page": "report.page",
                "index": "dedup.index",
            }
            raise UserError(
                f"{use} needs {need}, and no step above makes any",
                where=where,
                fix=f"put a step that makes {need} before it, such as `use: {makers[need]}`",
            )
