"""What a program says of itself is never enough for a pass, and whatever it says is an outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hornbook.sandbox.verdicts import Facts, outcome

GOOD = b'P{"verdict": "pass", "error": "", "message": "", "line": 0}\n'

ODD = [
    b"", b"P", b"P\n", GOOD[:-1], b"F" + GOOD[1:], b"!" + GOOD[1:], b"P[1]\n", b'P{"verdict": "won"}\n',
    b"P" + b"[" * 60_000 + b"\n", b"\xff" * 99 + b"\n", b'P{"verdict": ["pass"]}\n', b'P{"verdict": {}}\n',
]  # fmt: skip


def facts(program: Any = 0, judge: Any = None, said: bytes = GOOD, judged: bytes = b"", stopped: str = "") -> Facts:
    use = {"cpu": 0.1, "memory": 9.0}
    parts = {"program": {"status": program, **use}, "judge": None if judge is None else {"status": judge, **use}}
    return Facts({"stopped": stopped, "seconds": 0.2, **parts}, said, judged)


def test_a_pass_is_a_good_end_of_all_that_ran() -> None:
    assert outcome(facts(), checked=False).verdict == "pass"
    assert outcome(facts(program=None, judge=0, judged=GOOD), checked=True).verdict == "pass"


@pytest.mark.parametrize("status", [1, 97, 255, -9, -11, -31, -24, -64, None])
def test_a_claimed_pass_with_a_bad_end_is_none(status: int | None) -> None:
    assert outcome(facts(program=status), checked=False).verdict != "pass"
    assert outcome(facts(program=None, judge=status, judged=GOOD), checked=True).verdict != "pass"


@pytest.mark.parametrize("said", ODD)
@pytest.mark.parametrize("stopped", ["", "timeout", "output", "disk", "threads"])
def test_anything_else_said_is_no_pass(said: bytes, stopped: str) -> None:
    assert outcome(facts(said=said, stopped=stopped), checked=False).verdict != "pass"
    assert outcome(facts(program=None, judge=0, judged=said, stopped=stopped), checked=True).verdict != "pass"
    assert (
        outcome(facts(program=None, judge=0, said=said, judged=GOOD, stopped=stopped), checked=True).verdict != "pass"
    )


def test_a_program_cannot_speak_for_the_judge() -> None:
    assert outcome(facts(program=None, judge=0, judged=b""), checked=True).verdict == "exited"
    assert outcome(facts(program=0, judge=None, judged=b""), checked=True).verdict != "pass"


def test_what_is_said_is_cut_and_clean() -> None:
    report = {"verdict": "error", "error": "E" * 9_999, "message": "\ud800" + "m" * 9_999, "line": 10**30}
    found = outcome(facts(said=b"F" + json.dumps(report).encode() + b"\n"), checked=False)
    assert (len(found.error), len(found.message), found.line) == (500, 500, 0)
    found.message.encode()
    for odd in (None, 7, [], {}):
        said = json.dumps({"verdict": "error", "error": odd, "message": odd, "line": "1"}).encode()
        assert outcome(facts(said=b"F" + said + b"\n"), checked=False).error == ""
