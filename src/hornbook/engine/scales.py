"""`scales:` of a recipe: the same steps at several sizes, each a name for some values of `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hornbook.core.errors import UserError
from hornbook.engine.mistakes import unknown
from hornbook.engine.yamls import Lines

ABOUT, VOLUMES = "about", "volumes"
"""Keys of a scale that override nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale of a recipe.

    Args:
        name: as `--scale` names it; empty where a recipe has none.
        about: one line for people.
        sets: dotted name → value, as `--set` gives them.
        volumes: name of a step, or of something else → what it takes, for `cost:`; see `engine.costs`.
    """

    name: str = ""
    about: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    volumes: Mapping[str, Any] = field(default_factory=dict)

    def label(self, lines: Lines) -> dict[str, str]:
        """Dotted name → what messages call it: file and line, and the scale."""
        places = lines.scales.get(self.name, {})
        return {name: f"{lines.source}:{places.get(name, 0)}, scale {self.name}: {name}" for name in self.sets}


def scale_of(data: Mapping[str, Any], wanted: str | None, lines: Lines) -> Scale:
    """The scale that is wanted, or the one that the recipe's `scale:` names.

    Args:
        data: the recipe's values: `scale` (a name), `scales` (name → {about, volumes, STEP.KNOB: value}).
        wanted: of `--scale`; None: the recipe's own.
        lines: where they stand.

    Raises:
        UserError: no scale has that name, the recipe has none, or a scale is no mapping.
    """
    scales = data.get("scales")
    if scales is None:
        if wanted is not None:
            raise UserError(f"--scale {wanted}: the recipe has no scales", where=lines.source, fix="leave --scale out")
        return Scale(_name(data.get("scale") or "", lines))
    if not isinstance(scales, dict) or not scales:
        fix = "scales: {small: {STEP.KNOB: value}, large: {}}"
        raise UserError(f"scales = {scales!r} is not a mapping of names", where=lines.key("scales"), fix=fix)
    for name, values in scales.items():
        if values is not None and not isinstance(values, dict):
            fix = f"{name}: {{STEP.KNOB: value}}"
            raise UserError(f"scale {name} = {values!r} is not a mapping", where=lines.key("scales"), fix=fix)
    name = wanted if wanted is not None else _name(data.get("scale") or next(iter(scales)), lines)
    if name not in scales:
        raise unknown("scale", name, scales, "--scale" if wanted is not None else lines.key("scale"))
    values = dict(scales[name] or {})
    about, volumes = str(values.pop(ABOUT, "") or ""), values.pop(VOLUMES, None) or {}
    if not isinstance(volumes, dict):
        fix = "volumes: {STEP: {tokens: 1000000, source: …}}"
        raise UserError(f"volumes of {name} = {volumes!r} is not a mapping", where=lines.key("scales"), fix=fix)
    return Scale(name, about, values, volumes)


def _name(given: Any, lines: Lines) -> str:
    if not isinstance(given, str):
        raise UserError(f"scale = {given!r} is not a name", where=lines.key("scale"), fix="scale: laptop")
    return given
