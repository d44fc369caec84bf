"""One bad document is a row with its error; the others have the marks they would have had without it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import HornbookError
from hornbook.core.rules import Rule
from hornbook.engine.careful import ERROR, carefully
from hornbook.engine.tasks import selected


def lengths(piece: pa.Table, offset: int) -> pa.Table:
    """A stage that fails on any document `bad`, and marks lengths and row numbers."""
    texts = piece["text"].to_pylist()
    if "bad" in texts:
        raise ValueError("a bad document")
    return pa.table({"length": [len(t) for t in texts], "row": list(range(offset, offset + len(texts)))})


@given(st.integers(8, 200), st.data())
def test_only_the_guilty_rows_fail(rows, data):
    bad = data.draw(st.sets(st.integers(0, rows - 1), max_size=rows // 2))
    piece = pa.table({"text": ["bad" if n in bad else "x" * n for n in range(rows)]})
    marks = carefully(lengths, piece, 1000, "mine.stage")
    assert marks.num_rows == rows
    errors = marks[ERROR].to_pylist() if bad else [None] * rows
    assert {n for n, error in enumerate(errors) if error} == bad
    assert marks["length"].to_pylist() == [None if n in bad else n for n in range(rows)]
    assert marks["row"].to_pylist() == [None if n in bad else 1000 + n for n in range(rows)]


def test_a_stage_that_fails_on_most_is_at_fault():
    piece = pa.table({"id": [str(n) for n in range(20)], "text": ["bad"] * 11 + ["x"] * 9})
    with pytest.raises(HornbookError, match=r"mine\.stage failed on \d+ of 20 documents"):
        carefully(lengths, piece, 0, "mine.stage")


@pytest.mark.parametrize("own", ["error", "short"])
def test_a_stage_may_have_an_error_of_its_own(own):
    """What it failed on leaves all the same, and the two can be told apart."""
    piece = pa.table({"id": ["a", "b", "c"], "text": ["bad", "x", "xxx"]})
    marks = carefully(lengths, piece, 0, "mine.stage")
    kept, dropped = selected(piece, marks, {own: Rule("length", "<", 2)})
    assert kept["id"].to_pylist() == ["c"]
    reasons = dict(zip(dropped["id"].to_pylist(), dropped["reason"].to_pylist(), strict=True))
    assert reasons == {"a": "stage_error" if own == "error" else "error", "b": own}
