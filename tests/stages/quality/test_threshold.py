from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.stages.quality.threshold import Threshold
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import mark, outcome

TEXTS = [*STORIES, *HOSTILE.values()]
ROWS = [
    {"id": f"d{at}", "text": text, "origin": f"o:{at}", "quality.score": None if at % 5 == 4 else (at * 7) % 11 / 2}
    for at, text in enumerate(TEXTS)
]
EXAMPLE = Example(
    knobs={"min": 0.5, "best_tokens": 100_000}, rows=ROWS, golden={"1": "bc30e234b6988b36f480e9037b973c6d"}
)
SCORES = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 1.5, 3.0, 3.0, -2.0, 1e300])), min_size=1, max_size=40)


def scored(numbers, texts=None) -> pa.Table:
    texts = texts or ["x" * 8] * len(numbers)
    return pa.table(
        {
            "id": [f"d{at}" for at in range(len(numbers))],
            "text": pa.array(texts, pa.string()),
            "quality.score": pa.array(numbers, pa.float64()),
        }
    )


@settings(deadline=None, max_examples=80)
@given(SCORES, st.integers(1, 9), st.integers(1, 12), st.sampled_from([0.1, 1 / 3, 0.5, 1.0]), st.integers(0, 2))
def test_the_best_are_kept_and_no_better_one_is_dropped(numbers, size, many, share, seed):
    table = scored(numbers)
    for stage, most in (
        (Threshold(best_documents=many, seed=seed), many),
        (Threshold(best_share=share, seed=seed), int(share * len(numbers) + 1e-9)),
        (Threshold(best_tokens=2 * many, seed=seed), many),
    ):
        kept, gone = outcome(stage, table, size)
        assert len(kept) == min(most, len(numbers))
        value = {f"d{at}": float("-inf") if number is None else number for at, number in enumerate(numbers)}
        assert not kept or not gone or min(value[key] for key in kept) >= max(value[key] for key in gone)


@settings(deadline=None, max_examples=40)
@given(SCORES, st.integers(1, 9))
def test_min_and_max_are_part_of_what_is_kept(numbers, size):
    kept, gone = outcome(Threshold(min=1.5, max=3.0), scored(numbers), size)
    for key, (reason, _) in gone.items():
        assert reason == ("below" if numbers[int(key[1:])] < 1.5 else "above")
    assert all(numbers[int(key[1:])] is None or 1.5 <= numbers[int(key[1:])] <= 3.0 for key in kept)
    strict, lost = outcome(Threshold(min=1.5, drop_unscored=True), scored(numbers), size)
    assert all(numbers[int(key[1:])] is not None for key in strict)
    assert {key for key, (reason, _) in lost.items() if reason == "unscored"} == {
        f"d{at}" for at, number in enumerate(numbers) if number is None
    }


def test_tokens_are_a_column_or_a_quarter_of_the_bytes():
    table = scored([3.0, 2.0, 1.0], ["十" * 4, "", "abcde"])
    assert mark(Threshold(), table)["quality.best_tokens"].to_pylist() == [3, 3, 5]
    table = table.append_column("count", pa.array([10, None, 5]))
    assert mark(Threshold(tokens="count"), table)["quality.best_tokens"].to_pylist() == [10, 10, 15]
    kept, gone = outcome(Threshold(tokens="count", best_tokens=14), table)
    assert (kept, set(gone)) == (["d0", "d1"], {"d2"})
    assert gone["d2"] == ("over_tokens", "quality.best_tokens = 15 > 14")


def test_equal_numbers_are_drawn_by_seed_and_id_whatever_the_order():
    table = scored([1.0] * 100)
    kept = {seed: set(outcome(Threshold(best_documents=20, seed=seed), table)[0]) for seed in (1, 2)}
    turned = table.take(pa.array(range(99, -1, -1)))
    assert set(outcome(Threshold(best_documents=20, seed=1), turned)[0]) == kept[1] != kept[2]


def test_nothing_is_dropped_unasked():
    assert outcome(Threshold(), scored([None, 1.0, 2.0]))[1] == {}


@pytest.mark.parametrize("column", ["nowhere", "text"])
def test_a_column_without_numbers_is_named(column):
    with pytest.raises(UserError, match=column):
        mark(Threshold(column=column), scored([1.0]))
