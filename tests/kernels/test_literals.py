"""The words found in one pass are those that `in` finds."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.literals import holding

ALPHABET = "ab[é中 \x00"


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.one_of(st.none(), st.text(ALPHABET, max_size=12)), max_size=8),
    words=st.lists(st.text(ALPHABET, min_size=1, max_size=3), min_size=1, max_size=4),
    skip=st.integers(0, 3),
)
def test_as_in_finds(rows, words, skip):
    found = holding(pa.array(rows, pa.string()).slice(skip), words)
    wanted = [[word in (text or "") for word in words] for text in rows[skip:]]
    assert np.array_equal(found, np.array(wanted, bool).reshape(len(rows[skip:]), len(words)))
