"""What a lint says: findings, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    Args:
        level: error where money would be spent on rubbish, warning where it might.
        step: the step it is in.
        check: which check found it.
        what: the fault, in a few words.
        count, of: how many prompts (or items of a list) have it, of how many.
        examples: ids of prompts, or items, at most three, some with what was found in them.
        fix: what to do about it.
        where: FILE:LINE, where it can be told.
    """

    level: Level
    step: str
    check: str
    what: str
    count: int
    of: int
    examples: tuple[str, ...]
    fix: str
    where: str = ""
