"""YAML with lines: a recipe's values, and where each key stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hornbook.core.errors import UserError


@dataclass
class Lines:
    """Where things stand in the YAML file."""

    source: str
    steps: list[int] = field(default_factory=list)
    knobs: list[dict[str, int]] = field(default_factory=list)
    top: dict[str, int] = field(default_factory=dict)
    sets: dict[tuple[int, str], str] = field(default_factory=dict)
    """(Step from 0, or -1 for the top; key) → the `--set` that gave the value instead."""

    def step(self, at: int, knob: str = "", name: str = "") -> str:
        """The place of a step, or of one of its knobs."""
        if (at, knob) in self.sets:
            return self.sets[at, knob]
        line = self.steps[at] if at < len(self.steps) else 0
        if at < len(self.knobs):
            line = self.knobs[at].get(knob, line)
        place = f"{self.source}:{line}" if line else self.source
        return f"{place}, step {at + 1}" + (f" ({name})" if name else "")

    def key(self, name: str) -> str:
        """The place of a key at the top."""
        if (-1, name) in self.sets:
            return self.sets[-1, name]
        line = self.top.get(name)
        return f"{self.source}:{line}" if line else self.source


def parse(text: str, source: str) -> tuple[dict[str, Any], Lines]:
    """The values of a recipe and the places of its keys.

    Raises:
        UserError: it is not YAML, or not a mapping; with the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        loaded: Any = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(
            f"broken YAML: {error.problem}", where=f"{source}{line}", fix="check indent and colons"
        ) from error
    except YAMLError as error:
        raise UserError(f"broken YAML: {error}", where=source, fix="check indent and colons") from error
    if not isinstance(loaded, dict):
        raise UserError("a recipe is a mapping of keys", where=source, fix="start with name:, seed:, steps:")
    return _plain(loaded), _lines(loaded, source)


def _lines(data: Any, source: str) -> Lines:
    """Where ruamel's mapping says that its keys stand."""
    lines = Lines(source, top=_keys(data))
    steps = data.get("steps")
    for at, entry in enumerate(steps if isinstance(steps, list) else []):
        lines.steps.append(steps.lc.item(at)[0] + 1)
        lines.knobs.append(_keys(entry))
    return lines


def _keys(found: Any) -> dict[str, int]:
    """Key → line of one mapping; nothing for what is none."""
    if not isinstance(found, dict):
        return {}
    places: Any = found
    return {str(key): places.lc.key(key)[0] + 1 for key in found}


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
