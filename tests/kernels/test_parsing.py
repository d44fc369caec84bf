from __future__ import annotations

import ast
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from hornbook.kernels.parsing import LONGEST, parse
from tests.corpus import HOSTILE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", ""),
        ("", ""),
        ("def f(:\n  pass", "line 1: "),
        ("x = 1\n  y = 2", "line 2: unexpected indent"),
        ("a\0b", "null bytes"),
        ("-" * 100_000 + "1", "nested too deeply"),
        ("a" + ".b" * 100_000, "nested too deeply"),
        ("(" * 5000 + ")" * 5000, "too many nested parentheses"),
        ("x = " + "1" * 5000, "digits"),
        ("#" * (LONGEST + 1), "characters"),
    ],
)
def test_a_text_is_a_tree_or_says_why_not(text: str, fault: str) -> None:
    parsed = parse(text)
    assert (parsed.tree is None) == bool(fault)
    assert fault in parsed.fault
    assert bool(parsed.fault) == bool(fault)


def test_hostile_texts_end() -> None:
    for text in HOSTILE.values():
        parsed = parse(text)
        assert (parsed.tree is None) == bool(parsed.fault)


def test_strange_escapes_warn_nobody_in_any_thread() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(parse, ['x = "\\d"'] * 200))
        assert all(one.tree is not None for one in found)
        with pytest.raises(SyntaxError, match="invalid escape"):
            ast.parse('x = "\\d"')
