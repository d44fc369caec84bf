"""Nothing from outside may steer a terminal."""

from __future__ import annotations

import json
import math
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from hornbook.cli.safe import STACKED, block, line, plain, short
from tests.corpus import HOSTILE

STEERING = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x07\r\n\t\x00\x7f\u009b\u202e\u2066\u200b\u2028\u0301\ufeff"))
)
ALLOWED = "\n\u200c\u200d"


def harmless(text: str) -> bool:
    return all(
        letter in ALLOWED or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for letter in text
    )


@given(STEERING, st.integers(5, 100))
@example("\x1b]0;owned\x07", 40)
@example(HOSTILE["bidi"], 40)
@example(HOSTILE["combining"], 40)
def test_no_control_character_gets_through(text: str, limit: int) -> None:
    shown = line(text, limit)
    assert harmless(shown)
    assert "\n" not in shown
    assert len(shown) <= limit
    assert harmless(block(text, limit))


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert block(text, 10_000) == text


def test_marks_are_not_stacked_over_other_lines() -> None:
    assert block("Z" + "\u0301" * 100).count("\u0301") == STACKED


def test_what_is_cut_is_said() -> None:
    assert block("a" * 5000, 10) == "a" * 10 + " … (5,000 characters)"


@given(
    st.recursive(
        st.none() | st.floats() | st.text() | st.binary() | st.dates(),
        lambda x: st.lists(x) | st.dictionaries(st.integers(), x),
    )
)
def test_anything_can_be_said_as_json(value: object) -> None:
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)


def test_short_values() -> None:
    assert [short(v) for v in (0.123456, math.nan, "a\x1bb", ["x", 1], True)] == [
        "0.1235",
        "nan",
        "a␛b",
        '["x", 1]',
        "true",
    ]
