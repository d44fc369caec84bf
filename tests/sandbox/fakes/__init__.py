"""Programs that do not do what their checks ask and try to pass all the same, and honest ones that must pass.

A block of `fakes.txt` is `=== TRICK`, lines of what is known of it, `---` and the program; then `---` and its checks
where they are not `USUAL`; then `---` and a program that satisfies them where that is not `SQUARE`. In `honest.txt` a
block is a program and its checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
USUAL = """
def check(candidate):
    assert candidate(2) == 4
    assert candidate(3) == 9
    assert candidate(-5) == 25

check(f)
"""
SQUARE = "def f(x): return x * x"


@dataclass(frozen=True)
class Case:
    """A program and its checks.

    Args:
        name: the trick, or what is unusual.
        text, checks: as in `Program`.
        right: a program that satisfies the checks; empty where none can.
        fools: whether it passes where program and checks are run together, as harnesses do it.
    """

    name: str
    text: str
    checks: str
    right: str = ""
    fools: bool = True


def fakes() -> list[Case]:
    """Those that must not pass."""
    found = []
    for name, known, parts in _blocks("fakes.txt"):
        text, checks, right = (*parts, *("", "")[: 3 - len(parts)]) if len(parts) > 1 else (parts[0], USUAL, "")
        if known.get("checks") == "none":
            checks = ""
        right = "" if known.get("right") == "none" or not checks else right or SQUARE
        found.append(Case(name, text, checks, right, known.get("together", "fools") == "fools"))
    return found


def honest() -> list[Case]:
    """Those that must pass."""
    return [Case(name, parts[0], parts[1] if len(parts) > 1 else "") for name, _, parts in _blocks("honest.txt")]


def _blocks(file: str) -> list[tuple[str, dict[str, str], list[str]]]:
    found = []
    for block in (HERE / file).read_text(encoding="utf-8").removeprefix("=== ").split("\n=== "):
        head, *parts = block.split("\n---\n")
        name, *lines = head.splitlines()
        found.append((name, dict(line.split(": ", 1) for line in lines), parts))
    return found
