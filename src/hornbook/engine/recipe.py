"""Recipes: YAML in, a checked value out, every mistake with its line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import UserError, nearest
from hornbook.core.stage import Stage
from hornbook.engine.finding import find_stage
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
    """

    name: str
    about: str
    seed: int
    budget: Budget
    teacher: TeacherSpec
    steps: tuple[Step, ...]
    source: str = ""

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
        return {
            "name": self.name,
            "about": self.about,
            "seed": self.seed,
            "budget": self.budget.model_dump(exclude_none=True),
            "teacher": self.teacher.model_dump(mode="json", exclude_none=True),
            "steps": steps,
        }


@dataclass
class _Lines:
    """Where things stand in the YAML file."""

    source: str
    steps: list[int] = field(default_factory=list)
    knobs: list[dict[str, int]] = field(default_factory=list)
    top: dict[str, int] = field(default_factory=dict)

    def step(self, at: int, knob: str = "", name: str = "") -> str:
        line = self.steps[at] if at < len(self.steps) else 0
        if at < len(self.knobs):
            line = self.knobs[at].get(knob, line)
        place = f"{self.source}:{line}" if line else self.source
        return f"{place}, step {at + 1}" + (f" ({name})" if name else "")

    def key(self, name: str) -> str:
        line = self.top.get(name)
        return f"{self.source}:{line}" if line else self.source


def shipped_recipes() -> dict[str, str]:
    """Name → first comment or `about` of the recipes that come with Hornbook."""
    found = {}
    for entry in resources.files("hornbook.recipes").iterdir():
        if entry.name.endswith(".yaml"):
            data, _ = _parse(entry.read_text(encoding="utf-8"), entry.name)
            found[entry.name.removesuffix(".yaml")] = str(data.get("about", ""))
    return dict(sorted(found.items()))


def load_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        name: a path to a YAML file, or the name of a shipped recipe.
        overrides: dotted name → value, as `--set` gives them: `seed`, `budget.usd`, `teacher.url`,
            `STEP.KNOB` or `STAGE.PATH.KNOB`.

    Raises:
        UserError: no such recipe, broken YAML, unknown stage or knob, wrong type, out of bounds, a
            step that reads what no step above makes. Says the line and the nearest right name.
    """
    text, source = _read(name)
    data, lines = _parse(text, source)
    return check(data, lines, overrides or {})


def check(data: dict[str, Any], lines: _Lines, overrides: dict[str, Any]) -> Recipe:
    """Turn the YAML's values into a checked recipe."""
    known = ("name", "about", "seed", "budget", "teacher", "steps")
    for key in data:
        if key not in known:
            _unknown("key", str(key), known, lines.key(str(key)))
    entries = data.get("steps")
    if not isinstance(entries, list) or not entries:
        raise UserError("a recipe needs steps", where=lines.source, fix="steps: [{use: sources.files, path: …}, …]")
    entries = [_entry(entry, at, lines) for at, entry in enumerate(entries)]
    names = _names(entries)
    top = {key: data[key] for key in ("seed", "budget", "teacher", "name", "about") if key in data}
    _override(top, entries, names, overrides)
    teacher = _model(TeacherSpec, dict(top.get("teacher") or {}), lines.key("teacher"), "teacher")
    budget = _model(Budget, dict(top.get("budget") or {}), lines.key("budget"), "budget")
    seed = top.get("seed", 0)
    if not isinstance(seed, int):
        raise UserError(f"seed = {seed!r} is not a whole number", where=lines.key("seed"), fix="seed: 17")
    steps = []
    for at, (entry, name) in enumerate(zip(entries, names, strict=True)):
        steps.append(_step(entry, name, at, steps, seed, teacher, lines))
    title = str(top.get("name") or Path(lines.source).stem)
    if not title or title.startswith(".") or "/" in title or "\\" in title:
        raise UserError(f"name = {title!r} cannot name a folder", where=lines.key("name"), fix="letters, digits, - and _")
    return Recipe(title, str(top.get("about", "")), seed, budget, teacher, tuple(steps), lines.source)


def _read(name: str) -> tuple[str, str]:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        try:
            return path.read_text(encoding="utf-8"), name
        except OSError as error:
            raise UserError(f"cannot read the recipe: {error.strerror}", where=name, fix="check the path") from error
        except UnicodeDecodeError as error:
            raise UserError(f"the recipe is not UTF-8: {error}", where=name, fix="save it as UTF-8") from error
    shipped = resources.files("hornbook.recipes") / f"{name}.yaml"
    if not shipped.is_file():
        names = list(shipped_recipes())
        like = nearest(name, names)
        hint = f"did you mean `{like}`? " if like else ""
        raise UserError(
            f"no recipe called `{name}`", fix=f"{hint}shipped: {', '.join(names)}; or give a path ending in .yaml"
        )
    return shipped.read_text(encoding="utf-8"), f"{name}.yaml"


def _parse(text: str, source: str) -> tuple[dict[str, Any], _Lines]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"broken YAML: {error.problem}", where=f"{source}{line}", fix="check indent and colons") from error
    except YAMLError as error:
        raise UserError(f"broken YAML: {error}", where=source, fix="check indent and colons") from error
    if not isinstance(data, dict):
        raise UserError("a recipe is a mapping of keys", where=source, fix="start with name:, seed:, steps:")
    lines = _Lines(source, top={str(key): data.lc.key(key)[0] + 1 for key in data})
    steps = data.get("steps")
    for at, entry in enumerate(steps if isinstance(steps, list) else []):
        lines.steps.append(steps.lc.item(at)[0] + 1)
        lines.knobs.append({str(k): entry.lc.key(k)[0] + 1 for k in entry} if isinstance(entry, dict) else {})
    return _plain(data), lines


def _plain(value: Any) -> Any:
    """YAML's own classes as plain Python values."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _entry(entry: Any, at: int, lines: _Lines) -> dict[str, Any]:
    if isinstance(entry, str):
        entry = {"use": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("use"), str):
        raise UserError("a step needs `use:`", where=lines.step(at), fix="- use: quality.repetition")
    return dict(entry)


def _names(entries: list[dict[str, Any]]) -> list[str]:
    """Names as given; else the stage's folder, or folder-stage where a recipe uses several of a folder."""
    folders = [entry["use"].rpartition(".")[0].rpartition(".")[2] or entry["use"] for entry in entries]
    names: list[str] = []
    for entry, folder in zip(entries, folders, strict=True):
        name = str(entry.get("name") or (folder if folders.count(folder) == 1 else entry["use"].replace(".", "-")))
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
    lines: _Lines,
) -> Step:
    where = lines.step(at, "use", name)
    stage = find_stage(entry["use"], where)
    knobs = {key: value for key, value in entry.items() if key not in STEP_KEYS}
    if "seed" in stage.model_fields and "seed" not in knobs:
        knobs["seed"] = seed
    made = make_stage(stage, entry["use"], knobs, lambda knob: lines.step(at, knob, name))
    own = entry.get("teacher")
    merged = teacher
    if isinstance(own, dict):
        merged = _model(TeacherSpec, teacher.model_dump(exclude_unset=True) | own, where, f"{name}.teacher")
    above = _above(entry.get("from"), before, name, lines.step(at, "from", name))
    _has_needs(made, entry["use"], above, before, where)
    from hornbook.core.stage import Ask

    asks = isinstance(made, Ask)
    return Step(name, entry["use"], made, above, merged if asks else None, lines.steps[at] if lines.steps else 0)


def _above(given: Any, before: list[Step], name: str, where: str) -> tuple[str, ...]:
    if given is None:
        return (before[-1].name,) if before else ()
    names = [given] if isinstance(given, str) else list(given)
    known = [step.name for step in before]
    for wanted in names:
        if wanted not in known:
            _unknown("step in `from`", str(wanted), known, where)
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
            }
            raise UserError(
                f"{use} needs {need}, and no step above makes any",
                where=where,
                fix=f"put a step that makes {need} before it, such as `use: {makers[need]}`",
            )


def make_stage(stage: type[Stage], use: str, knobs: dict[str, Any], where: Any) -> Stage:
    """A stage with its knobs, or the person's mistake explained.

    Args:
        stage: the class.
        use: its path, for messages.
        knobs: name → value.
        where: knob name → the place it was set.

    Raises:
        UserError: unknown knob, wrong type, out of bounds.
    """
    for key in knobs:
        if key not in stage.model_fields:
            _unknown(f"knob of {use}:", key, list(stage.model_fields), where(key))
    try:
        return stage.model_validate(knobs)
    except ValidationError as error:
        first = error.errors()[0]
        knob = str(first["loc"][0]) if first["loc"] else ""
        raise _wrong(use, knob, first, stage, where(knob)) from error


def _wrong(use: str, knob: str, fault: Any, model: type[BaseModel], where: str) -> UserError:
    """A pydantic fault as one of our messages."""
    field = model.model_fields.get(knob)
    about = field.description or "" if field else ""
    extra = field.json_schema_extra if field and isinstance(field.json_schema_extra, dict) else {}
    unit = f", in {extra['unit']}" if extra.get("unit") else ""
    source = f" ({extra['source']})" if extra.get("source") else ""
    given = fault["input"]
    context = fault.get("ctx", {})
    said = {
        "greater_than_equal": f"= {given} is below {context.get('ge')}",
        "greater_than": f"= {given} is not above {context.get('gt')}",
        "less_than_equal": f"= {given} is above {context.get('le')}",
        "less_than": f"= {given} is not below {context.get('lt')}",
        "missing": "is missing",
    }.get(fault["type"], f"= {given!r}: {fault['msg'].removeprefix('Value error, ')}")
    default = ""
    if field is not None and not field.is_required() and field.default is not None and field.default_factory is None:
        default = f"; default {field.default!r}"
    return UserError(f"{use}: {knob} {said}", where=where, fix=f"{knob}: {about}{unit}{default}{source}")


def _model(kind: type[Any], values: dict[str, Any], where: str, name: str) -> Any:
    for key in values:
        if key not in kind.model_fields:
            _unknown(f"key of {name}:", key, list(kind.model_fields), where)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(name, str(first["loc"][0]) if first["loc"] else "", first, kind, where) from error


def _override(
    top: dict[str, Any], entries: list[dict[str, Any]], names: list[str], overrides: dict[str, Any]
) -> None:
    for dotted, value in overrides.items():
        head, _, rest = dotted.partition(".")
        if not rest and head in ("seed", "name", "about"):
            top[head] = value
        elif rest and head in ("budget", "teacher"):
            top[head] = dict(top.get(head) or {}) | {rest: value}
        else:
            at, path = _target(dotted, entries, names)
            entry = entries[at]
            if path[0] == "teacher" and len(path) == 2:
                entry["teacher"] = dict(entry.get("teacher") or {}) | {path[1]: value}
            else:
                entry[".".join(path)] = value


def _target(dotted: str, entries: list[dict[str, Any]], names: list[str]) -> tuple[int, list[str]]:
    """Which step a `--set` means, and the knob: by step name, stage path, or folder if that is unique."""
    words = dotted.split(".")
    hits: list[tuple[int, list[str]]] = []
    for at, (entry, name) in enumerate(zip(entries, names, strict=True)):
        use = entry["use"].split(".")
        if words[0] == name and len(words) > 1:
            hits.append((at, words[1:]))
        elif words[: len(use)] == use and len(words) > len(use):
            hits.append((at, words[len(use) :]))
        elif words[0] == use[0] and len(words) == 2:
            knobs = find_stage(entry["use"]).model_fields
            if words[1] in knobs:
                hits.append((at, words[1:]))
    if not hits:
        known = [*names, "teacher", "budget", "seed"]
        like = nearest(words[0], known)
        raise UserError(
            f"--set {dotted}: nothing in the recipe has that name",
            fix=(f"did you mean `{like}`? " if like else "") + f"steps: {', '.join(names)}",
        )
    if len({at for at, _ in hits}) > 1:
        which = ", ".join(names[at] for at, _ in hits)
        raise UserError(f"--set {dotted} could mean several steps: {which}", fix=f"say which: {names[hits[0][0]]}.…")
    return hits[0]


def _unknown(what: str, given: str, known: Any, where: str) -> None:
    names = [str(k) for k in known]
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    fix = f"did you mean `{close[0]}`? " if close else ""
    listed = ", ".join(names) or "none"
    raise UserError(f"unknown {what} `{given}`", where=where, fix=f"{fix}known: {listed}")
