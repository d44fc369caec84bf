"""N-gram index and scan against sets and loops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.ngrams import build, find, telling
from hornbook.kernels.words import texts, words
from tests.kernels import plain

TEXT = st.lists(st.sampled_from(["a", "b", "c", "7", "0", "小"]), max_size=25).map(" ".join)
MANY = st.lists(TEXT, max_size=5)


def read(many: list[str]):
    return words(*texts(pa.array(many, pa.string())))


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    found = [word for word, _, _ in plain.words(text)]
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


@settings(deadline=None, max_examples=100)
@given(MANY, MANY, st.integers(1, 5))
def test_every_shared_ngram_is_found_with_all_its_owners(bench: list[str], many: list[str], n: int) -> None:
    own = read(bench)
    wanted = np.zeros(own.hashes.size, bool)
    for at in range(len(bench)):
        wanted[own.offsets[at] : max(own.offsets[at], own.offsets[at + 1] - n + 1)] = True
    index = build(own, n, wanted)
    got = set()
    for document, position, number in zip(*find(read(many), index), strict=True):
        for place in range(index.owners[number], index.owners[number + 1]):
            got.add((document, position, index.texts[place], index.positions[place]))
    assert got == {
        (d, i, t, j)
        for d, text in enumerate(many)
        for i, gram in enumerate(grams(text, n))
        for t, other in enumerate(bench)
        for j, same in enumerate(grams(other, n))
        if gram == same
    }


@settings(deadline=None, max_examples=100)
@given(MANY, st.integers(1, 6))
def test_telling_ngrams_are_half_different_words_with_letters(many: list[str], n: int) -> None:
    got, base = telling(read(many), n), 0
    for text in many:
        size, all_grams = len(plain.words(text)), grams(text, n)
        lettered = [len({word for word in gram if not word.isdigit()}) for gram in all_grams]
        assert got[base : base + size].tolist() == [2 * k >= n for k in lettered] + [False] * (size - len(all_grams))
        base += size


def test_more_hits_than_the_first_room() -> None:
    own = read(["x"])
    document, position, number = find(read(["x " * 5000]), build(own, 1, np.ones(1, bool)))
    assert position.tolist() == list(range(5000))
    assert set(document) == set(number) == {0}


def test_an_empty_index_finds_nothing() -> None:
    own = read([])
    assert find(read(["a b c"]), build(own, 2, np.zeros(0, bool)))[0].size == 0
