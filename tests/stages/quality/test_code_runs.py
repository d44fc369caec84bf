from __future__ import annotations

import pyarrow as pa
import pytest

from hornbook.stages.quality.code_runs import CodeRuns
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.driving import documents, mark, outcome

DOUBLE = "def double(x):\n    return 2 * x\n"
EXAMPLED = 'def double(x):\n    """Twice.\n\n    >>> double(2)\n    4\n    """\n    return {} * x\n'
ROWS = [
    ("right", DOUBLE, "assert double(4) == 8", ""),
    ("alone", "x = 1 + 1\n", None, ""),
    ("examples", EXAMPLED.format(2), None, ""),
    ("wrong", DOUBLE, "assert double(4) == 9", "assertion"),
    ("wrong_example", EXAMPLED.format(3), None, "assertion"),
    ("syntax", "def double(x)\n", "assert True", "syntax"),
    ("raises", "x = [][1]\n", None, "error"),
    ("checks_raise", DOUBLE, "double()", "error"),
    ("loops", "while True:\n    pass\n", None, "timeout"),
    ("grows", "x = [0] * 10**9\n", None, "memory"),
    ("shouts", "print('a' * 10**6)\n", None, "output"),
    ("reaches", "import socket\nsocket.socket()\n", None, "blocked"),
    ("exits", "import sys\nsys.exit(0)\n", "assert False", "exited"),
    ("fakes", "import os\ndef double(x):\n    os._exit(0)\n", "assert double(4) == 8", "exited"),
    ("says_yes", "class Y:\n    __eq__ = lambda s, o: True\ndef double(x):\n    return Y()\n",
     "assert double(4) == 8", "assertion"),
]  # fmt: skip
SLOW = ("timeout", "memory", "output")
KNOBS = {"timeout": 0.5, "memory": 128, "output": 100_000, "workers": 1}
EXAMPLE = Example(
    knobs={"workers": 1, "repeats": 1},
    rows=[{"id": key, "text": text, "tests": tests} for key, text, tests, why in ROWS if why not in SLOW],
    golden={"1": "ad467317e49f39c0650aa525bcf24a2d"},
)


def table() -> pa.Table:
    rows = documents([text for _, text, _, _ in ROWS], [key for key, *_ in ROWS])
    return rows.append_column("tests", pa.array([tests for _, _, tests, _ in ROWS], pa.string()))


def test_a_program_is_kept_where_it_ran_to_its_end_and_every_check_held() -> None:
    kept, gone = outcome(CodeRuns(**KNOBS, repeats=0), table(), size=8)
    assert kept == [key for key, _, _, reason in ROWS if not reason]
    assert {key: reason for key, (reason, _) in gone.items()} == {key: why for key, _, _, why in ROWS if why}
    assert "line 1 of the checks" in gone["wrong"][1]
    assert "IndexError" in gone["raises"][1]


def test_what_passes_only_sometimes_is_dropped_as_flaky() -> None:
    """The order of a set of strings hangs on the hash seed, which differs between runs."""
    text = "x = list({str(n) for n in range(50)})\n"
    rows = documents([text, "x = sorted({'a', 'b'})\n"])
    first = mark(CodeRuns(**KNOBS, repeats=0), rows)
    assert first.column("run.verdict").to_pylist() == ["pass", "pass"]
    order = "x = list({str(n) for n in range(50)})\nassert x == " + _order(text)
    rows = documents([order, "x = sorted({'a', 'b'})\n"])
    _, gone = outcome(CodeRuns(**KNOBS, repeats=1), rows)
    assert {key: reason for key, (reason, _) in gone.items()} == {"d0": "flaky"}
    assert gone["d0"][1].startswith("run.flaky = run 2: assertion")
    assert outcome(CodeRuns(**KNOBS, repeats=1, keep_flaky=True), rows)[1] == {}


def _order(text: str) -> str:
    """What the first draw makes of it."""
    from hornbook.sandbox.pool import Sandbox
    from hornbook.sandbox.values import Program

    with Sandbox(workers=1) as box:
        return box.run(Program(text + "print(x)")).output.strip()


def test_without_checks_a_program_is_kept_unless_checks_are_wanted() -> None:
    rows = documents(["x = 1\n", EXAMPLED.format(2)])
    assert outcome(CodeRuns(**KNOBS, repeats=0), rows)[1] == {}
    assert outcome(CodeRuns(**KNOBS, repeats=0, keep_unchecked=False), rows)[1]["d0"][0] == "unchecked"
    unread = CodeRuns(**KNOBS, repeats=0, examples=False)
    assert mark(unread, rows).column("run.checked").to_pylist() == [False, False]


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("def test_it():\n    assert double(2) == 5", "assertion"),
        ("def test_it():\n    assert double(2) == 4", ""),
        ("def test_it():\n    assert double(2) == 5\ndef main():\n    test_it()", "assertion"),
        ("def test_it(given):\n    assert double(2) == 5", "error"),
        ("import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(double(2), 5)",
         "assertion"),
        ("from unittest import TestCase\nclass T(TestCase):\n  def test(self):\n    self.assertEqual(double(2), 4)",
         ""),
        ("# nothing", "unchecked"),
        ("x = 4", "unchecked"),
    ],
)  # fmt: skip
def test_tests_that_are_only_defined_are_called(tests: str, reason: str) -> None:
    rows = documents([DOUBLE]).append_column("tests", pa.array([tests]))
    _, gone = outcome(CodeRuns(**KNOBS, repeats=0, keep_unchecked=False), rows)
    assert gone.get("d0", ("",))[0] == reason


def test_a_function_named_like_a_built_in_one_is_the_one_that_is_checked() -> None:
    wrong = "def max(a, b):\n    return a\n\ndef min(a, b):\n    return b\n"
    rows = documents([wrong]).append_column("tests", pa.array(["assert max(1, 2) == 2\nassert len([min(3, 4)]) == 1"]))
    assert outcome(CodeRuns(**KNOBS, repeats=0), rows)[1]["d0"][0] == "error", "whose max and min, nobody can know"
    named = rows.append_column("entry_point", pa.array(["max"]))
    assert outcome(CodeRuns(**KNOBS, repeats=0), named)[1]["d0"][0] == "assertion"


def test_hostile_text_is_a_row_like_any_other() -> None:
    kept, gone = outcome(CodeRuns(**KNOBS, repeats=0), documents(list(HOSTILE.values())))
    assert len(kept) + len(gone) == len(HOSTILE)


def test_a_wall_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="moat"):
        CodeRuns(walls=("moat",))
