from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.stages.quality.length import Length
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(
    knobs={"min_words": 3, "max_words": 2000, "max_characters": 100_000},
    golden={"1": "896ed35846ddde184473330db4fef810"},
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(), max_size=6), st.integers(1, 3))
@example([*HOSTILE.values(), *STORIES], 4)
def test_marks_are_what_a_plain_count_says(texts: list[str], size: int) -> None:
    if not texts:
        return
    table = mark(Length(), documents(texts), size)
    assert table.column("quality.characters").to_pylist() == [len(text) for text in texts]
    assert table.column("quality.words").to_pylist() == [len(plain.words(text)) for text in texts]
    assert table.column("quality.lines").to_pylist() == [len(plain.lines(text)) for text in texts]
    assert {table.schema.field(f"quality.{name}").type for name in ("characters", "words", "lines")} == {pa.int64()}


@pytest.mark.parametrize(
    ("knobs", "reasons"),
    [
        ({}, {"d0": "too_short", "d1": "too_short", "d4": "too_long"}),
        ({"min_words": 0, "max_words": None}, {}),
        ({"min_words": 1, "max_words": 50}, {"d0": "too_short", "d3": "too_long", "d4": "too_long"}),
        ({"min_words": 0, "max_words": None, "min_characters": 1}, {"d0": "few_characters"}),
        (
            {"min_words": 0, "max_words": None, "max_characters": 254},
            {"d3": "many_characters", "d4": "many_characters"},
        ),
    ],
)
def test_limits_are_inside_what_is_kept(knobs: dict[str, int], reasons: dict[str, str]) -> None:
    """Words 0, 49, 50, 51, 100,001; five characters a word."""
    table = documents(["word " * n for n in (0, 49, 50, 51, 100_001)])
    _, gone = outcome(Length(**knobs), table)
    assert {key: reason for key, (reason, _) in gone.items()} == reasons


def test_evidence_says_the_number_and_the_limit() -> None:
    _, gone = outcome(Length(), documents(["one two"]))
    assert gone == {"d0": ("too_short", "quality.words = 2 < 50")}


def test_chinese_words_are_characters() -> None:
    assert outcome(Length(min_words=43), documents([STORIES[3]]))[1]["d0"][1] == "quality.words = 42 < 43"
