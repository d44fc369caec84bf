"""`--set NAME=VALUE`: which value of a recipe a dotted name means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hornbook.core.errors import UserError, nearest
from hornbook.engine.finding import find_stage
from hornbook.engine.yamls import Lines

NESTED = ("budget", "teacher", "cost", "compare")
"""Keys that hold a mapping, at the top of a recipe; a step may have a teacher of its own."""


def override(
    top: dict[str, Any],
    entries: list[dict[str, Any]],
    names: list[str],
    overrides: Mapping[str, Any],
    lines: Lines,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Put the values of `--set` into a recipe, in place.

    `STEP.use` gives a step another stage; the knobs that the recipe sets for the one it had are left out. `*.KNOB`
    means every step, and every exam of `compare:`, whose stage has that knob.

    Args:
        top: the recipe's keys without its steps.
        entries: its steps.
        names: their names.
        overrides: dotted name → value: `seed`, `budget.usd`, `teacher.price.input`, `STEP.KNOB`,
            `STAGE.PATH.KNOB`, `STEP.teacher.url`, `*.KNOB`.
        lines: gets their places, for messages.
        labels: what messages call them, where they are from elsewhere than `--set`.

    Raises:
        UserError: nothing in the recipe has that name, or several steps have.
    """
    for given, dotted, value in _each(top, entries, names, overrides):
        words = dotted.split(".")
        label = (labels or {}).get(given, f"--set {given}")
        if words in (["seed"], ["name"], ["about"]) or (words[0] in NESTED and len(words) > 1):
            at, path, target = -1, words, top
        else:
            at, path = _target(dotted, entries, names, label)
            target = entries[at]
        lines.sets[at, path[0]] = label
        if at < 0:
            lines.overridden[tuple(path)] = label
        if path == ["use"] and target["use"] != value:
            for knob in set(target) - {"name", "from"}:
                del target[knob]
        if path[0] in NESTED and len(path) > 1:
            _put(target, path, value)
        else:
            target[".".join(path)] = value


def _each(
    top: Mapping[str, Any], entries: list[dict[str, Any]], names: list[str], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """(name as given, name of one value, value), what changes a step's stage first.

    Raises:
        UserError: no stage has the knob of a `*.KNOB`.
    """
    for given, value in sorted(overrides.items(), key=lambda item: not item[0].endswith(".use")):
        if not given.startswith("*."):
            yield given, given, value
            continue
        knob = given.removeprefix("*.")
        compare = top.get("compare")
        exams = (compare or {}).get("exams") if isinstance(compare, dict) else None
        uses = {name: entry["use"] for name, entry in zip(names, entries, strict=True)}
        if isinstance(exams, dict):
            found = {name: exam.get("use") for name, exam in exams.items() if isinstance(exam, dict)}
            uses |= {f"compare.exams.{name}": use for name, use in found.items() if isinstance(use, str)}
        having = [name for name, use in uses.items() if knob in find_stage(use).model_fields]
        if not having:
            like = nearest(knob, {name for use in uses.values() for name in find_stage(use).model_fields})
            fix = (f"did you mean `*.{like}`? " if like else "") + "`hornbook stages` shows the knobs of each"
            raise UserError(f"--set {given}: no stage of the recipe has the knob `{knob}`", fix=fix)
        yield from ((given, f"{name}.{knob}", value) for name in having)


def _put(target: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value in mappings within mappings; those that were there are left as they were."""
    if len(path) == 1:
        target[path[0]] = value
        return
    inner = target.get(path[0])
    target[path[0]] = dict(inner) if isinstance(inner, dict) else {}
    _put(target[path[0]], path[1:], value)


def _target(dotted: str, entries: list[dict[str, Any]], names: list[str], label: str) -> tuple[int, list[str]]:
    """Which step a `--set` means, and the knob: by step name, stage path, or folder if that is unique."""
    words = dotted.split(".")
    hits: list[tuple[int, list[str]]] = []
    for at, (entry, name) in enumerate(zip(entries, names, strict=True)):
        use = entry["use"].split(".")
        if words[0] == name and (len(words) == 2 or words[1:2] == ["teacher"]):
            hits.append((at, words[1:]))
        elif words[: len(use)] == use and len(words) > len(use):
            hits.append((at, words[len(use) :]))
        elif words[0] == use[0] and len(words) == 2:
            knobs = find_stage(entry["use"]).model_fields
            if words[1] in knobs:
                hits.append((at, words[1:]))
    if not hits:
        if dotted in NESTED:
            raise UserError(f"{label}: `{dotted}` is a mapping", fix=f"one value in it: {dotted}.KEY=VALUE")
        if dotted == "scale":
            raise UserError(f"{label}: a scale is no value of the recipe", fix="--scale NAME")
        like = nearest(words[0], [*names, *NESTED, "seed"])
        raise UserError(
            f"{label}: nothing in the recipe has that name",
            fix=(f"did you mean `{like}`? " if like else "") + f"steps: {', '.join(names)}",
        )
    if len({at for at, _ in hits}) > 1:
        which = ", ".join(names[at] for at, _ in hits)
        raise UserError(f"{label} could mean several steps: {which}", fix=f"say which: {names[hits[0][0]]}.…")
    return hits[0]
