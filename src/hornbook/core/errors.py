"""What can go wrong, said for the person who has to mend it.

HornbookError              exit 1   the run failed
├── UserError              exit 2   a recipe, knob, path or command is wrong
├── BudgetStop             exit 3   the budget is spent; raise it and run again
└── Interrupted            exit 130 Ctrl-C; run again to resume

Every error says what is wrong, where, and how to mend it, on one screen.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HornbookError(Exception):
    """A failure that is explained to a person instead of being shown as a traceback.

    Args:
        what: the fault in one line, with the numbers.
        where: file and line, step, key or row; empty where there is no place.
        fix: what to do about it; empty only where nothing can be done.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [f"error: {self.what}"]
        if self.where:
            lines.append(f"  where  {self.where}")
        if self.fix:
            lines.append(f"  fix    {self.fix}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(cls: type[HornbookError], what: str, where: str, fix: str) -> HornbookError:
    return cls(what, where=where, fix=fix)


class UserError(HornbookError):
    """A mistake in what the person gave: recipe, knob, path, command line."""

    exit_code = 2


class BudgetStop(HornbookError):
    """The budget (money, tokens or time) is spent. What was paid for is kept."""

    exit_code = 3


class Interrupted(HornbookError):
    """The person stopped the run. What was done is kept and resumed."""

    exit_code = 130


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like `word`, or '' when none is alike (difflib cutoff 0.6)."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
