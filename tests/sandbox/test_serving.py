"""The program's side: how its own text ended, and what it does for whoever asks."""

from __future__ import annotations

import os
import socket

import pytest

from hornbook.sandbox.endings import LONGEST, clean, compiled, ending
from hornbook.sandbox.judging import Names
from hornbook.sandbox.naming import Modules
from hornbook.sandbox.wire import Gone, Line
from tests.sandbox.forked import run

ENDS = [
    ("", ("pass", "", "", 0)),
    ("x = 1", ("pass", "", "", 0)),
    ("def f(:\n pass", ("syntax", "SyntaxError", "invalid syntax", 1)),
    ("  x = 1", ("syntax", "IndentationError", "unexpected indent", 1)),
    ("x = '\0'", ("syntax", "", "", 0)),
    ("x = '\ud800'", ("syntax", "UnicodeEncodeError", "", 0)),
    ("x = " + "(" * 5000, ("syntax", "", "", 0)),
    ("\nraise ValueError('at 1')", ("error", "ValueError", "at 1", 2)),
    ("def f():\n  1 / 0\nf()", ("error", "ZeroDivisionError", "division by zero", 2)),
    ("assert False, 'own'", ("assertion", "AssertionError", "own", 1)),
    ("import sys\nsys.exit('bye')", ("exited", "SystemExit", "bye", 2)),
    ("import os\nos._exit(0)", ("exited", "", "", 0)),
    ("x = [0] * (1 << 60)", ("memory", "MemoryError", "", 1)),
    ("open('/', 'w')", ("error", "IsADirectoryError", "[Errno 21] Is a directory: '/'", 1)),
    ("raise PermissionError('mine')", ("error", "PermissionError", "mine", 1)),
    ("raise PermissionError(1, 'the system')", ("blocked", "PermissionError", "[Errno 1] the system", 1)),
    ("class E(Exception):\n  def __str__(self): 1 / 0\nraise E", ("error", "E", "", 3)),
    ("class E(Exception):\n  def __str__(self): return 5\nraise E", ("error", "E", "", 3)),
    (
        "class M(type):\n  __name__ = property(lambda s: 1 / 0)\nclass E(Exception, metaclass=M): pass\nraise E",
        ("error", "E", "", 4),
    ),
    ("if __name__ == '__main__':\n  raise KeyError('main')", ("error", "KeyError", "'main'", 2)),
    ("def f(): return f()\nf()", ("error", "RecursionError", "maximum recursion depth exceeded", 1)),
    ("import __main__\nassert __main__.__dict__ is globals()", ("pass", "", "", 0)),
]  # fmt: skip


@pytest.mark.parametrize(("program", "end"), ENDS, ids=[repr(text[:20]) for text, _ in ENDS])
def test_an_end_is_told_with_its_line(program: str, end: tuple[str, str, str, int]) -> None:
    got = run(program, "assert True")
    assert got["verdict"] == end[0], got
    if end[1]:
        assert (got["error"], got["line"]) == (end[1], end[3])
        assert got["message"].startswith(end[2])


def test_messages_are_cut_and_hold_no_addresses() -> None:
    error = ValueError(f"<f at 0x7f12ab> {'x' * 10_000}\ud800")
    told = ending(error, "none")
    assert told["message"].startswith("<f> xxx")
    assert len(told["message"]) == LONGEST
    assert clean("\ud800").encode() == b"?"


def test_code_is_compiled_without_what_this_module_imports_from_the_future() -> None:
    code = compiled("def f(x: 1): pass", "t")
    space: dict[str, object] = {}
    exec(code, space)  # type: ignore[arg-type]
    assert space["f"].__annotations__ == {"x": 1}


def test_builtin_names_come_before_the_programs() -> None:
    asked: list[str] = []
    names = Names(asked.append, Modules("other, third"))
    space = {"__builtins__": names}
    exec("a = abs(-2)\nb = other\ndef f(): return len([1]), third\nf()", space)
    assert asked == ["other", "third"]
    assert space["a"] == 2


def talk(program: str, *frames: object) -> list[object]:
    """What a serving process replies to frames."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        from hornbook.sandbox.serving import serve

        here.close()
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            serve(program, there.fileno(), lambda told: None)
        finally:
            os._exit(0)
    there.close()
    line, got = Line(here.fileno()), []
    try:
        for frame in frames:
            line.send(frame)
            got.append(line.receive())
    except Gone:
        got.append("gone")
    here.close()
    os.waitpid(pid, 0)
    return got


def test_requests_are_answered_by_number_until_the_channel_closes() -> None:
    got = talk(
        "x = [1]\nprint('now')", [0, 7, [], [[], [], ["x"]], "name", []], [0, 8, [], [[], [], ["y"]], "name", []]
    )
    assert got[0] == [1, 7, [], [[], [], [["l", -1, [1, [1]]]]]]
    assert got[1][:2] == [2, 8]


@pytest.mark.parametrize(
    "frame", [[], {}, 5, [1, 2, [], []], [0, 1, [], [[], [], [["p", 99]]], "len", []], [0, 1, 2, 3, 4, 5]]
)
def test_a_frame_that_makes_no_sense_ends_the_talk(frame: object) -> None:
    assert talk("x = 1", frame) == ["gone"]
