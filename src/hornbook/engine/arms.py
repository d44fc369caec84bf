"""`compare:` of a recipe: data sets side by side, written out as ordinary steps that end in a table.

Every (arm, seed) is a student, with and without a fine-tuning, and every student takes every exam; each is a step of
its own, so it is cached, resumed, planned, looked at and traced like any other. Names say what they are:
`raw.s0.train`, `raw-exercises.s0.tune`, `raw.s0.bits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hornbook.core.errors import UserError, nearest
from hornbook.core.stage import Stage
from hornbook.engine.finding import find_stage
from hornbook.engine.mistakes import checked, unknown
from hornbook.engine.yamls import Lines

COMPARE, TABLE, PAGE = "compare", "report.arms", "report.page"
TRAIN, TUNE = "train.student", "train.finetune"


class Compare(BaseModel):
    """A comparison of data sets by what they teach."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("compare", description="what `from:` and --set call the table's step")
    arms: dict[str, str] = Field(
        min_length=1, description="label → the step that makes its tokens; the others are compared with the first"
    )
    seeds: int | list[int] = Field(
        3, description="students an arm: so many, with the recipe's seed and those after it; or a list of seeds"
    )
    train: dict[str, Any] = Field(description="knobs of train.student (or of the stage that `use` names)")
    tune: dict[str, dict[str, Any] | None] = Field(
        {}, description="label → from: TOKENS and knobs of train.finetune; null: the students as they are"
    )
    exams: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="name → a step: use, from, knobs; one without need of a student goes on from the one before",
    )
    table: dict[str, Any] = Field({}, description="knobs of report.arms")


@dataclass(slots=True)
class _Student:
    """One student: its label, its seed, the step that trained it last, and all of its steps."""

    label: str
    seed: int
    slug: str
    step: str
    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _New:
    """A step that the block makes: its name, the entry, the path of the keys in the recipe that it is from."""

    name: str
    entry: dict[str, Any]
    path: tuple[str, ...]


def listed(data: dict[str, Any], lines: Lines) -> dict[str, Any] | None:
    """The block with its exams as a mapping, so that `--set compare.exams.NAME.KNOB` reaches them; None without one.

    Raises:
        UserError: it is no mapping, or an exam is none.
    """
    given = data.get(COMPARE)
    if given is None:
        return None
    if not isinstance(given, dict):
        fix = "compare: {arms: {raw: TOKENS, filtered: TOKENS}, train: {…}, exams: [{use: evaluate.bits}]}"
        raise UserError(f"compare = {given!r} is not a mapping", where=lines.inner(COMPARE), fix=fix)
    exams = given.get("exams")
    if not isinstance(exams, list):
        return dict(given)
    found: dict[str, Any] = {}
    for one in exams:
        if not isinstance(one, dict) or not isinstance(one.get("use"), str):
            fix = "- use: evaluate.bits"
            raise UserError("an exam needs `use:`", where=lines.inner(COMPARE, "exams"), fix=fix)
        name = str(one.get("name") or one["use"].rpartition(".")[2])
        if name in found:
            fix = f"name: {name}-2"
            raise UserError(f"two exams are called `{name}`", where=lines.inner(COMPARE, "exams"), fix=fix)
        found[name] = {key: value for key, value in one.items() if key != "name"}
    return given | {"exams": found}


def expand(given: Mapping[str, Any], entries: list[dict[str, Any]], names: list[str], seed: int, lines: Lines) -> None:
    """Write the comparison out as entries, at the end of the others; a page that ends the recipe stays its end.

    Args:
        given: the block, from `listed`, with its `--set`.
        entries, names: of the recipe's steps; changed in place.
        seed: the recipe's.
        lines: gets the block's line for each new step.

    Raises:
        UserError: something in the block is wrong; with its line.
    """
    block = checked(Compare, given, COMPARE, lambda key: lines.inner(COMPARE, key))
    found = [find_stage(entry["use"], lines.step(at, "use", names[at])) for at, entry in enumerate(entries)]
    tokens = [name for stage, name in zip(found, names, strict=True) if stage.makes == "tokens"]
    new = list(_steps(block, names, tokens, seed, lines))
    at = len(entries)
    if entries[-1]["use"] == PAGE and not entries[-1].get("from"):
        at -= 1
    for one in new:
        if one.name in names:
            fix = "another name for the step, or another label in `compare:`"
            raise UserError(f"`compare:` would make a second step `{one.name}`", where=lines.inner(*one.path), fix=fix)
    lines.insert(at, [one.path for one in new])
    entries[at:at] = [one.entry for one in new]
    names[at:at] = [one.name for one in new]


def _steps(block: Compare, names: list[str], tokens: list[str], seed: int, lines: Lines) -> Iterator[_New]:
    """The steps, in order: all training, all tuning, exam by exam, the table."""
    _slugs([*block.arms, *block.tune, *block.exams], lines)
    students: list[_Student] = []
    for value in _seeds(block, seed, lines):
        for label, step in block.arms.items():
            _known(step, tokens, "step that makes tokens", lines.inner(COMPARE, "arms", label))
            one = _Student(label, value, _slug(label), f"{_slug(label)}.s{_named(value, block, seed)}.train")
            entry = _course(block.train, TRAIN, [step], value, lines.inner(COMPARE, "train"))
            yield _New(one.step, entry, (COMPARE, "train"))
            one.steps.append(one.step)
            students.append(one)
    tuned: dict[str, str] = {}
    taught = list(students) if not block.tune else []
    for label, knobs in block.tune.items():
        for one in students:
            if knobs is None:
                taught.append(one)
                continue
            where = lines.inner(COMPARE, "tune", label)
            _known(knobs.get("from"), tokens, f"`from` of {label}, a step that makes tokens:", where)
            slug = f"{one.slug}-{_slug(label)}"
            name = f"{slug}.s{_named(one.seed, block, seed)}.tune"
            rest = {key: value for key, value in knobs.items() if key != "from"}
            entry = _course(rest, TUNE, [one.step, str(knobs["from"])], one.seed, where)
            yield _New(name, entry, (COMPARE, "tune", label))
            taught.append(_Student(f"{one.label} + {label}", one.seed, slug, name, [one.step, name]))
            tuned[f"{one.label} + {label}"] = one.label
    yield from _exams(block, taught, names, seed, lines)
    yield _New(block.name, _table(block, taught, tuned), (COMPARE, "table"))


def _exams(block: Compare, taught: list[_Student], names: list[str], seed: int, lines: Lines) -> Iterator[_New]:
    """Every exam of every student."""
    before = ""
    for exam, knobs in block.exams.items():
        where = lines.inner(COMPARE, "exams", exam)
        if not isinstance(knobs.get("use"), str):
            like = nearest(exam, [name for name in block.exams if name != exam])
            fix = (f"did you mean `{like}`? " if like else "") + "use: evaluate.bits"
            raise UserError(f"the exam `{exam}` needs `use:`", where=where, fix=fix)
        stage = find_stage(knobs["use"], where)
        asks_student = "student" in stage.needs
        if not asks_student and not before:
            fix = "put one before it that does, such as evaluate.bits or evaluate.solutions"
            raise UserError(f"{knobs['use']} looks at no student", where=where, fix=fix)
        more = _list(knobs.get("from"))
        for other in more:
            _known(other, names, "step in `from`", where)
        for one in taught:
            base = f"{one.slug}.s{_named(one.seed, block, seed)}"
            first = one.step if asks_student else f"{base}.{_slug(before)}"
            name = f"{base}.{_slug(exam)}"
            entry = {key: value for key, value in knobs.items() if key != "from"} | {"from": [first, *more]}
            yield _New(name, entry, (COMPARE, "exams", exam))
            one.steps.append(name)
        before = exam


def _table(block: Compare, taught: list[_Student], tuned: Mapping[str, str]) -> dict[str, Any]:
    """The step that puts the exams side by side."""
    arms: dict[str, dict[str, list[str]]] = {}
    for one in taught:
        arms.setdefault(one.label, {})[str(one.seed)] = one.steps
    over = {label: arm for label, arm in tuned.items() if arm in arms}
    steps = list(dict.fromkeys(step for one in taught for step in one.steps))
    more = block.table.get("over", {})
    both = over | more if isinstance(more, dict) else more
    return {"use": TABLE, "from": steps, "arms": arms} | block.table | {"over": both}


def _course(knobs: Mapping[str, Any], use: str, above: list[str], seed: int, where: str) -> dict[str, Any]:
    """A training step. One thread, unless it says otherwise: then steps go on side by side, and give the same bits.

    Raises:
        UserError: students of different arms would be trained on different numbers of tokens.
    """
    stage: type[Stage] = find_stage(str(knobs.get("use", use)), where)
    if "from" in knobs:
        fix = "leave `from` out: the arms say what is trained on"
        raise UserError("`from` has no place here", where=where, fix=fix)
    if use == TRAIN and "tokens" in stage.model_fields and not knobs.get("tokens"):
        raise UserError(
            "without `tokens` the students of larger data sets are trained longer, and nothing is compared but that",
            where=where,
            fix="tokens: 3_000_000, the same for all arms; small data sets are seen more often",
        )
    own = {"threads": 1} if "threads" in stage.model_fields else {}
    return {"use": use, "from": above, "seed": seed} | own | dict(knobs)


def _seeds(block: Compare, seed: int, lines: Lines) -> list[int]:
    """The seeds of the students.

    Raises:
        UserError: there is none, or one twice.
    """
    found = block.seeds if isinstance(block.seeds, list) else [seed + at for at in range(block.seeds)]
    if not found or len(set(found)) < len(found):
        what = f"compare: seeds = {block.seeds} " + ("names one twice" if found else "leaves no student")
        raise UserError(what, where=lines.inner(COMPARE, "seeds"), fix="seeds: 3, or a list of different numbers")
    return found


def _named(value: int, block: Compare, seed: int) -> int:
    """What a seed is called in names: as listed, or its place from 0."""
    return value if isinstance(block.seeds, list) else value - seed


def _slugs(labels: list[str], lines: Lines) -> None:
    """See that labels can name steps, each its own.

    Raises:
        UserError: they cannot.
    """
    met: dict[str, str] = {}
    for label in labels:
        slug = _slug(label)
        if not slug or slug in met:
            both = f"`{met.get(slug)}` and `{label}` would both be {slug}"
            what = both if slug else f"`{label}` has no letter or digit"
            fix = "labels whose letters and digits differ"
            raise UserError(f"compare: {what}", where=lines.inner(COMPARE), fix=fix)
        met[slug] = label


def _slug(label: str) -> str:
    """A label as part of a step's name: letters and digits of any script, and - between them."""
    return re.sub(r"[^\w]+", "-", label).strip("-")


def _known(name: Any, known: list[str], what: str, where: str) -> None:
    """Refuse a name that is none of the known ones, with the nearest."""
    if name not in known:
        raise unknown(what, str(name), known, where)


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else [str(one) for one in value]
