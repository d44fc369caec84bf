"""Mutants: one change each, another tree each, the rest of the text as it was."""

from __future__ import annotations

import ast
import time

import pytest

from hornbook.kernels.mutants import KINDS, LONGEST, mutants
from tests.corpus import HOSTILE

CODE = '''\
import math
from typing import List


def near(numbers: List[float], limit: float = -1.0) -> bool:
    """Whether two are near. 1 + 1 < 3 >>> near([1], 2)"""
    found = 0  # keep 1 + 1
    for at, one in enumerate(numbers):
        for other in range(at + 1, len(numbers)):
            if abs(one - numbers[other]) (< limit and not found or at in (2, 3):
                found += (1)  # a comment - with signs
                break
    text = f"{found + 1}" "ü字"
    return max(found, at) >= 1 if text[1:at] else math.pow(limit, 2) == found
'''.replace("(<", "<")


def test_each_is_one_change_and_another_program():
    found = mutants(CODE, 500, 3)
    assert len({m.text for m in found}) == len(found) > 60
    base = ast.dump(ast.parse(CODE))
    for mutant in found:
        assert ast.dump(ast.parse(mutant.text)) != base
        line = CODE.split("\n")[mutant.line - 1]
        assert mutant.before.split("\n")[0] in line
        parts = CODE.split(mutant.before)
        whole = [
            mutant.before.join(parts[:n]) + mutant.after + mutant.before.join(parts[n:]) for n in range(1, len(parts))
        ]
        assert mutant.text in whole, "nothing else is touched"


def test_every_kind_is_made():
    assert {m.kind for m in mutants(CODE, 500)} == set(KINDS)
    assert {m.kind for m in mutants(CODE, 500, kinds=["name", "logic"])} == {"name", "logic"}


@pytest.mark.parametrize(
    ("code", "change"),
    [("a = (1) + (\n  2)", ("+", "-")), ("x = 1 < 2", ("<", "<=")), ("x = a not  in b", ("not  in", "in")),
     ("x = a and b or c", ("and", "or")), ("x = not a", ("not ", "")), ("x = -a", ("-", "")),
     ("x **= 2", ("**=", "*=")), ("x = True", ("True", "False")), ("x = 'ü'", ("'ü'", "''")),
     ("for i in range(n): f(i)", ("n", "n + 1")), ("x = y[i]", ("i", "i - 1")), ("x = len(y)", (")", ") - 1")),
     ("f(a, b)", ("a, b", "b, a")), ("x = a - b", ("a - b", "b - a")), ("def f(a, b): return a", ("a", "b")),
     ("def f(a): return g(a)", ("g(a)", "None")), ("x = 1\ny = 2\n", ("y = 2\n", "")),
     ("if x:\n    y = 1\n", ("y = 1", "pass")), ("x = a \\\r\n + b\r\n", ("+", "*"))],
)  # fmt: skip
def test_changes_that_must_be_among_them(code, change):
    assert change in {(m.before, m.after) for m in mutants(code, 200)}


def test_what_is_no_behaviour_stays():
    """Docstrings, types, names of keywords, and what stands in comments and f-strings."""
    found = mutants(CODE, 500)
    assert all('"""Whether two are near. 1 + 1 < 3 >>> near([1], 2)"""' in m.text for m in found)
    assert all("numbers: List[float], limit: float" in m.text for m in found)
    assert all("# keep 1 + 1" in m.text or m.kind == "dropped" for m in found)
    assert all('f"{found + 1}"' in m.text or m.kind in ("dropped", "return") for m in found)


def test_the_beginning_stays_and_more_hold_the_fewer():
    start = CODE.index("    found = 0")
    found = mutants(CODE, 40, 7, start)
    assert all(m.text.startswith(CODE[:start]) for m in found)
    assert mutants(CODE, 11, 7, start) == found[:11]
    assert mutants(CODE, 40, 8, start) != found
    assert mutants(CODE, 40, 7, len(CODE)) == []
    assert mutants(CODE, 0) == []


def test_hostile_text_has_none_or_some_but_never_fails():
    deep = [
        "(" * 5000,
        "-" * 50_000 + "1",
        "x = " + "[" * 80 + "1" + "]" * 80,
        "a\x00b",
        "\ud800 = 1",
        "+".join("a" * 20_000),
    ]
    for text in [*HOSTILE.values(), *deep, "\ufeffx = 1 + 2"]:
        for mutant in mutants(text, 3):
            ast.parse(mutant.text)
    assert mutants("x = 1\n" * LONGEST, 3) == []


def test_a_long_program_does_not_stall():
    names = "".join(f"    v{n} = v{n - 1} + a{n % 7}\n" for n in range(1, 2000))
    code = f"def f({', '.join(f'a{n}' for n in range(7))}):\n    v0 = 1\n{names}    return v0\n"
    began = time.monotonic()
    assert len(mutants(code, 5)) == 5
    assert time.monotonic() - began < 30
