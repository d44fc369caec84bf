"""YAML with lines: a recipe's values, and where each key stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    scales: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each scale: dotted name → line."""
    within: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Of keys within `compare:`, path from the top → line."""
    overridden: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Path within a mapping at the top → the `--set` that gave the value instead."""

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

    def inner(self, *path: str) -> str:
        """The place of a key within `compare:`, or of the nearest one around it that has a line."""
        for given, label in self.overridden.items():
            if given[: len(path)] == path or path[: len(given)] == given:
                return label
        line = self._around(path)
        return f"{self.source}:{line}" if line else self.source

    def insert(self, at: int, paths: Sequence[tuple[str, ...]]) -> None:
        """New steps before step `at`, each written by what stands at a path within `compare:`."""
        self.sets = {(n + len(paths) if n >= at else n, knob): said for (n, knob), said in self.sets.items()}
        for offset, path in enumerate(paths):
            here = {given[-1]: said for given, said in self.overridden.items() if given[:-1] == path}
            self.sets |= {(at + offset, knob): said for knob, said in here.items()}
        if not self.steps:
            return
        for offset, path in enumerate(paths):
            line = self._around(path)
            own = {one[-1]: where for one, where in self.within.items() if one[:-1] == path}
            self.steps.insert(at + offset, line)
            self.knobs.insert(at + offset, own)

    def _around(self, path: tuple[str, ...]) -> int:
        """The line of a path within `compare:`, or of the nearest one around it; 0 where there is none."""
        return next((self.within[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.within), 0)


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
    scales = data.get("scales")
    lines.within = {("compare",): lines.top.get("compare", 0), **dict(_deep(data.get("compare"), ("compare",)))}
    lines.scales = {str(name): _keys(one) for name, one in scales.items()} if isinstance(scales, dict) else {}
    return lines


def _deep(found: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Paths and lines of all keys of mappings within mappings; entries of a list go by their `name`, or stage."""
    for key, line in _keys(found).items():
        yield (*path, key), line
        yield from _deep(found.get(key), (*path, key))
    if isinstance(found, list):
        places: Any = found
        for at, one in enumerate(found):
            if isinstance(one, dict) and isinstance(one.get("use"), str):
                name = str(one.get("name") or one["use"].rpartition(".")[2])
                yield (*path, name), places.lc.item(at)[0] + 1
                yield from _deep(one, (*path, name))


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
