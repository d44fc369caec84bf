"""Steps that a comparison makes by the dozen, told together: `9 × .train` in place of nine rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.engine.forecast import Forecast

FEW = 4
"""So many are told one by one."""
_ONE_OF_MANY = re.compile(r"\.s[^.]*\.([^.]+)$")
"""Names of steps that `compare:` writes: ARM.sSEED.EXAM."""


def folded(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """The forecasts, those of one exam of all students as one: sums of what is to do."""
    found: list[Forecast] = []
    for _, group in groupby(forecasts, _family):
        steps = list(group)
        if len(steps) <= FEW:
            found += steps
            continue
        times = [one.seconds for one in steps if one.seconds is not None]
        cached = sum(one.state == "cached" for one in steps)
        states = {one.state for one in steps}
        made = replace(steps[0], step=f"{len(steps)} × .{_last(steps[0].step)}", rows=None, kept=None)
        made.state = steps[0].state if len(states) == 1 else "to do"
        made.seconds = sum(times) if len(times) == len(steps) else None
        if 0 < cached < len(steps):
            made.step += f", {cached} cached"
        found.append(made)
    return found


def listed(names: Iterable[str]) -> str:
    """Names of steps, many of them as a number."""
    some = list(names)
    return ", ".join(some) if len(some) <= 2 * FEW else f"{', '.join(some[:FEW])} and {len(some) - FEW} more"


def together(said: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(steps, what is said of them): what is said of several is said once, where it was said first."""
    by_text: dict[str, list[str]] = {}
    for step, text in said:
        by_text.setdefault(text, []).append(step)
    return [(listed(steps), text) for text, steps in by_text.items()]


def _family(one: Forecast) -> tuple[str, str]:
    """What a step shares with those that are told with it; its own name where it stands alone."""
    return (one.use, _last(one.step)) if _ONE_OF_MANY.search(one.step) else (one.use, one.step)


def _last(name: str) -> str:
    found = _ONE_OF_MANY.search(name)
    return found[1] if found else name
