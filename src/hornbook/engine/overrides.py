"""`--set NAME=VALUE`: which value of a recipe a dotted name means."""

from __future__ import annotations

from typing import Any

from hornbook.core.errors import UserError, nearest
from hornbook.engine.finding import find_stage


def override(top: dict[str, Any], entries: list[dict[str, Any]], names: list[str], overrides: dict[str, Any]) -> None:
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
