from __future__ import annotations

import pyarrow as pa
import pytest

from hornbook.stages.quality.mask import Mask
from hornbook.stages.quality.pii import Pii
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark
from tests.stages.quality.test_pii import CASES

EXAMPLE = Example(
    rows=[
        {"id": f"d{at}", "text": text, "origin": "made"}
        for at, text in enumerate([*STORIES, *(t for _, t, _ in CASES)])
    ],
    golden={"1": "12e09733ad887d896f67017173a6729c"},
)


@pytest.mark.parametrize(("kind", "text", "count"), CASES)
def test_everything_counted_is_replaced_and_nothing_else(kind: str, text: str, count: int) -> None:
    row = mark(Mask(kinds=[kind]), documents([text])).to_pylist()[0]
    tag = getattr(Mask(), kind)
    assert row["quality.masked"] == count
    assert row["text"].count(tag) == count
    if count == 0:
        assert row["text"] == text


def test_what_was_masked_is_not_found_again() -> None:
    masked = mark(Mask(), documents([text for _, text, _ in CASES]))
    again = mark(Pii(), masked)
    for kind in ("mails", "ips", "phones", "keys"):
        assert sum(again.column(f"quality.{kind}").to_pylist()) == 0
    assert mark(Mask(), masked).column("text").equals(masked.column("text"))


def test_a_tag_is_taken_literally() -> None:
    text = mark(Mask(kinds=["mail"], mail=r"\1\0<x>"), documents(["to a@example.com."])).column("text").to_pylist()
    assert text == [r"to \1\0<x>."]


def test_ordinary_and_hostile_texts_are_untouched() -> None:
    table = documents([*STORIES, *HOSTILE.values()])
    done = mark(Mask(), table)
    assert done.column("text").to_pylist() == table.column("text").to_pylist()
    assert done.column("quality.masked").to_pylist() == [0] * table.num_rows
    assert mark(Mask(kinds=[]), table).column("text").equals(table.column("text"))
    large = pa.table({"id": ["a"], "text": pa.array(["a@example.com"], pa.large_string())})
    assert mark(Mask(), large).column("text").to_pylist() == ["<EMAIL>"]
