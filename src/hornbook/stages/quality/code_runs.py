"""quality.code_runs: whether a program runs, and does what its examples and its tests say."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, ClassVar, get_args

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.sandbox.values import Limits, Outcome, Program, Verdict, Wall
from hornbook.stages.quality._checks import called, checking

VERDICT, MESSAGE, FLAKY, CHECKED = "run.verdict", "run.message", "run.flaky", "run.checked"
_SEEN = pa.schema(
    [
        (VERDICT, pa.string()),
        ("run.error", pa.string()),
        (MESSAGE, pa.string()),
        ("run.line", pa.int32()),
        ("run.in_checks", pa.bool_()),
        (CHECKED, pa.bool_()),
        (FLAKY, pa.string()),
    ]
)


class CodeRuns(Each):
    """Runs each program behind walls, then its checks against it, and drops what does not hold.

    The checks are the examples in the program's docstrings and the code in the column `tests`, whose test functions
    and cases are called where nothing calls them; a function that is named like a built-in one is known by the column
    `entry_point`. They are run in a
    process of their own, so that a program cannot make them pass by anything but right answers (docs/checks.md).
    A program that passed is run again, with another order of sets and other random numbers.

    Marks: `run.verdict` (pass, syntax, error, assertion, timeout, memory, output, blocked, exited), `run.error`
    (class of the exception or name of the limit), `run.message`, `run.line` (int32), `run.in_checks` (bool: it ended
    in the checks), `run.checked` (bool: there is a check that could fail), `run.flaky` (string: what another run said
    where the first passed; else null).

    Raises:
        UserError: a wall that is required cannot be had on this machine: nothing is run then.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT, "tests", "entry_point")

    timeout: float = knob(
        3.0, help="longest run, waiting for a busy processor not counted", unit="seconds",
        source="openai/human-eval, execution.py: 3", gt=0.0, le=3600.0,
    )  # fmt: skip
    memory: int = knob(
        256, help="most memory of a run", unit="MB", source="nanochat, execution.py: 256", ge=16, le=1 << 20
    )
    output: int = knob(1 << 20, help="most output of a run; our choice", unit="bytes", ge=0)
    examples: bool = knob(True, help="the examples in docstrings (>>>) must hold")
    repeats: int = knob(
        2, help="runs more for what passed, each with another hash seed; our choice", unit="runs", ge=0, le=100
    )
    packages: bool = knob(False, help="programs may import the packages installed beside Hornbook")
    walls: tuple[Wall, ...] = knob(
        get_args(Wall), help="walls without which nothing is run; `hornbook doctor` says which stand here"
    )
    workers: int = knob(0, help="programs run at a time; 0: as many as there are cores", unit="processes", ge=0)
    keep_flaky: bool = knob(False, help="keep programs that passed at first and not again", threshold=True)
    keep_unchecked: bool = knob(True, help="keep programs that run but have no check at all", threshold=True)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.sandbox.pool import Sandbox

        texts = piece.column(TEXT).to_pylist()
        checks = [
            self._checks(*row)
            for row in zip(texts, _column(piece, "tests"), _column(piece, "entry_point"), strict=True)
        ]
        limits = Limits(seconds=self.timeout, memory=self.memory, output=self.output)
        with Sandbox(limits, workers=self.workers, require=self.walls, packages=self.packages) as box:
            found = list(box.run_all(Program(*both) for both in zip(texts, checks, strict=True)))
            flaky: list[str | None] = [None] * len(found)
            for draw in range(1, self.repeats + 1):
                left = [at for at, one in enumerate(found) if one.verdict == "pass" and flaky[at] is None]
                again = box.run_all(Program(texts[at], checks[at], draw) for at in left)
                for at, one in zip(left, again, strict=True):
                    if one.verdict != "pass":
                        flaky[at] = f"run {draw + 1}: {said(one)}"
        return _marks(found, checks, flaky)

    def _checks(self, text: str, tests: str | None, name: str | None) -> str:
        from hornbook.kernels.doctests import checks_of

        examples = checks_of(text) if self.examples else ""
        meant = f"from __main__ import {name}" if name and hasattr(builtins, name) else ""
        return "\n".join(part for part in (meant, examples, called(tests or "")) if part.strip())

    def drops(self) -> dict[str, Rule]:
        rules = {name: Rule(VERDICT, "==", name, MESSAGE) for name in get_args(Verdict) if name != "pass"}
        if not self.keep_flaky:
            rules["flaky"] = Rule(FLAKY, "is set")
        if not self.keep_unchecked:
            rules["unchecked"] = Rule(CHECKED, "==", False)
        return rules

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        counts = pc.value_counts(marks.column(VERDICT)).to_pylist()
        return {
            "verdicts": {one["values"]: one["counts"] for one in counts},
            "checked": pc.sum(marks.column(CHECKED)).as_py() or 0,
            "flaky": marks.num_rows - marks.column(FLAKY).null_count,
        }


def _column(piece: pa.Table, name: str) -> list[str | None]:
    found: list[str | None] = piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows
    return found


def said(one: Outcome) -> str:
    """What came of a run in one line: `assertion, line 3 of the checks: AssertionError: 5 is not 4`."""
    place = f", line {one.line} of the {'checks' if one.in_checks else 'program'}" if one.line else ""
    what = ": ".join(part for part in (one.error, one.message) if part)
    return f"{one.verdict}{place}" + (f": {what}" if what else "")


def _marks(found: Sequence[Outcome], checks: Sequence[str], flaky: Sequence[str | None]) -> pa.Table:
    columns = {
        VERDICT: [one.verdict for one in found],
        "run.error": [one.error for one in found],
        MESSAGE: [said(one) for one in found],
        "run.line": [one.line for one in found],
        "run.in_checks": [one.in_checks for one in found],
        CHECKED: [checking(some) for some in checks],
        FLAKY: list(flaky),
    }
    return pa.table(columns, schema=_SEEN)
