from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.kernels.wordhashes import hashes
from hornbook.kernels.words import texts, words
from tests.corpus import HOSTILE, STORIES

ODD = st.text(alphabet="aAzZ09_ .\n\x00@[`{/:\x7f小ก๙é\u0301\u00ad\u200b\u200dⅧİ", max_size=40)
LONG = st.integers(0, 200).map(lambda n: "aB3" * n)


def same(data: np.ndarray, offsets: np.ndarray) -> None:
    expected = words(data, offsets)
    found, counts = hashes(data, offsets)
    assert counts.tolist() == expected.offsets.tolist()
    assert found.tolist() == expected.hashes.tolist()


@settings(deadline=None, max_examples=300)
@given(st.lists(ODD | LONG | st.text(max_size=30), max_size=12), st.data())
@example([*HOSTILE.values(), *STORIES], None)
@example(["", "a", "é", "", "a" * 63, "b" * 64, "c" * 65, "A" * 8, "A" * 9, "x" * 16, "y" * 17], None)
def test_hashes_are_those_of_the_word_rule(many: list[str], data: st.DataObject | None) -> None:
    buffer, offsets = texts(pa.array(many, pa.string()))
    same(buffer, offsets)
    if data is not None and many:
        first = data.draw(st.integers(0, len(many)))
        same(buffer, offsets[first:])


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_bytes_that_are_no_text_do_no_harm(raw: bytes, cuts: list[int]) -> None:
    ends = sorted(min(cut, len(raw)) for cut in cuts)
    offsets = np.array([0, *ends, len(raw)], np.int64)
    found, counts = hashes(np.frombuffer(raw, np.uint8), offsets)
    assert counts[0] == 0
    assert counts[-1] == found.size
    assert (np.diff(counts) >= 0).all()
    assert (np.diff(counts) <= np.diff(offsets)).all()
