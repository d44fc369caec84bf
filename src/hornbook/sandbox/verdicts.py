"""What a keeper's facts about a run come to."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any, cast, get_args

from hornbook.sandbox.values import Outcome, Verdict

LONGEST = 500
"""Characters of an error's message and of its class's name that are kept. Ours."""

ENDED = "the program ended"
"""What the judge says where the program's process is gone (`judging`)."""

_NOT_HELD = "a run's process could not be held"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a keeper says of a run.

    Args:
        numbers: `stopped` (why the keeper ended it, or ''), `seconds`, and of each process `status` (None where it
            was ended), `cpu`, `memory`.
        program: the program's report, which may be anything.
        judge: the judge's.
        output: of both, as bytes.
    """

    numbers: dict[str, Any]
    program: bytes = b""
    judge: bytes = b""
    output: bytes = b""


_Ending = tuple[Verdict, str, str, int, bool]


def outcome(facts: Facts, *, checked: bool) -> Outcome:
    """The outcome of a run; whatever a program says, it passes only if it ended well and the judge said so."""
    numbers = facts.numbers
    parts = [part for part in (numbers["program"], numbers["judge"]) if part]
    cpu = sum(part["cpu"] for part in parts)
    verdict, error, message, line, in_checks = _ending(facts, checked)
    return Outcome(
        verdict=verdict,
        error=error,
        message=message,
        line=line,
        in_checks=in_checks,
        output=facts.output.decode("utf-8", "replace"),
        seconds=max(numbers["seconds"], *(part["cpu"] for part in parts)),
        cpu=cpu,
        memory=max(part["memory"] for part in parts),
    )


def _ending(facts: Facts, checked: bool) -> _Ending:
    numbers = facts.numbers
    if numbers["stopped"]:
        return _limit(numbers["stopped"], checked and facts.program[:1] == b"P")
    for report in (facts.program, facts.judge):
        if report[:1] == b"!":
            return "error", "walls", f"{_NOT_HELD}: {report[1:].decode('utf-8', 'replace')}"[:LONGEST], 0, False
    first, program = _read(facts.program), numbers["program"]["status"]
    if first is None:
        return (*_death(program), False)
    if first[0] != "pass":
        return (*first, False)
    if checked:
        return _checks(_read(facts.judge), program, (numbers["judge"] or {}).get("status"))
    return (*first, False) if program == 0 else (*_death(program), False)


def _checks(said: tuple[Verdict, str, str, int] | None, program: int | None, judge: int | None) -> _Ending:
    """How the checks of a well-defined program ended."""
    if said is not None and said[0] == "pass" and judge == 0:
        return (*said, False)
    if said is not None and said[:3] == ("exited", "", ENDED) and program is not None:
        return (*_death(program)[:3], said[3], True)
    if said is None or said[0] == "pass":
        return (*_death(judge), True)
    return (*said, True)


def _limit(stopped: str, in_checks: bool) -> _Ending:
    """A run that the keeper ended."""
    if stopped == "timeout":
        return "timeout", "timeout", "", 0, in_checks
    return "output" if stopped in ("output", "disk") else "blocked", stopped, "", 0, in_checks


def _death(status: int | None) -> tuple[Verdict, str, str, int]:
    """A process that ended without saying how."""
    if status is None:
        return "error", "killed", "", 0
    if status >= 0:
        return "exited", "", f"exit code {status}", 0
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGXCPU":
        return "timeout", "timeout", "", 0
    return ("blocked" if name == "SIGSYS" else "error"), name, "", 0


def _read(report: bytes) -> tuple[Verdict, str, str, int] | None:
    """A report that has the form of one; None for anything else."""
    line, end, _ = report[1:].partition(b"\n")
    if not end:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("verdict") not in get_args(Verdict):
        return None
    if (said["verdict"] == "pass") != (report[:1] == b"P"):
        return None
    number = said.get("line")
    line_number = number if type(number) is int and 0 <= number < 1 << 31 else 0
    return cast(Verdict, said["verdict"]), _text(said.get("error")), _text(said.get("message")), line_number


def _text(value: Any) -> str:
    return value[:LONGEST].encode("utf-8", "replace").decode() if isinstance(value, str) else ""
