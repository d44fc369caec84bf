"""Checks across the channel: honest programs pass as in one process, and no program passes by fooling them."""

from __future__ import annotations

import textwrap

import pytest

from tests.sandbox.forked import run
from tests.sandbox.honest_programs import HONEST
from tests.sandbox.lying_programs import LIAR, LIES


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(name: str) -> None:
    program, checks = map(textwrap.dedent, HONEST[name])
    assert run(program, checks)["verdict"] == "pass", run(program, checks)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_does_not_pass(name: str) -> None:
    program, checks = LIES[name]
    assert run(LIAR + program, checks)["verdict"] in ("assertion", "error", "exited")


ENDS = [
    ("def f(): return 1", "assert f() == 2, 'no'", ("assertion", "AssertionError", "no", 1)),
    ("def f(): return 1", "\n\nf(1)", ("error", "TypeError", "f() takes 0 positional arguments but 1 was given", 3)),
    ("", "f(", ("syntax", "SyntaxError", "'(' was never closed", 1)),
    ("", "x = 1\nmissing(x)", ("error", "NameError", "name 'missing' is not defined", 2)),
    ("import sys\ndef f(): sys.exit(0)", "f()", ("exited", "SystemExit", "0", 1)),
    ("import os\ndef f(): os._exit(0)", "f()", ("exited", "", "the program ended", 1)),
    ("", "import sys\nsys.exit(0)", ("exited", "SystemExit", "0", 2)),
    ("def f(): raise MemoryError", "f()", ("memory", "MemoryError", "", 1)),
    ("def f(): open('/proc/1/mem', 'w')", "f()", None),
    ("class E(Exception): pass\ndef f(): raise E('x')", "f()", ("error", "E", "x", 1)),
    ("class B: pass", "class C(B): pass", ("error", "TypeError", "a class of the checks cannot derive from B", 1)),
    ("x = (", "assert True", ("syntax", "SyntaxError", "'(' was never closed", 1)),
    ("def f(): raise PermissionError(13, 'no')", "f()", ("blocked", "PermissionError", "[Errno 13] no", 1)),
    (
        "class A: pass\ndef f(): return A()",
        "raise ValueError(repr(f()))",
        ("error", "ValueError", "<__main__.A object>", 1),
    ),
]


@pytest.mark.parametrize(("program", "checks", "end"), ENDS)
def test_an_end_is_told(program: str, checks: str, end: tuple[str, str, str, int] | None) -> None:
    got = run(program, checks)
    if end is None:
        assert got["verdict"] != "pass"
        return
    assert (got["verdict"], got["error"], got["line"]) == (end[0], end[1], end[3])
    assert got["message"].startswith(end[2])
