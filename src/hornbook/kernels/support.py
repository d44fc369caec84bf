# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""How much of each sentence stands in a passage: its words, weighed by how rare they are, in the best place of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel

WINDOW = 2
"""A place of a passage is so many times as many words as the sentence has; our choice: what a sentence says may be
spread over two."""
LEAST = 24
"""Fewest words of such a place; our choice."""
_ONE = np.uint64(1)


def recall(
    rows: NDArray[np.int64],
    words: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    passage_rows: NDArray[np.int64],
    passage_words: NDArray[np.uint64],
    passage_offsets: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Share of each sentence's words, by weight, that stand in the best place of its row's passage.

    A word that stands in d of the n sentences of a row, the passage's and the text's own, weighs log(1 + n / d). A word
    counts once in a sentence.

    Args:
        rows: int64 (rows + 1,), row r has the sentences rows[r] to rows[r + 1].
        words: uint64, hashes of the sentences' words; offsets: int64 (sentences + 1,) into it.
        passage_rows, passage_words, passage_offsets: the same of the sentences of the rows' passages.

    Returns:
        float64 (sentences,), 0 for one without words.
    """
    out = np.zeros(offsets.size - 1, np.float64)
    _recall(rows, words, offsets, passage_rows, passage_words, passage_offsets, out)
    return out


@kernel
def _slot(word, keys):
    mask = np.uint64(keys.size - 1)
    at = (word ^ word >> np.uint64(32)) & mask
    while keys[at] != np.uint64(0) and keys[at] != word:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@kernel
def _count(words, offsets, first, last, keys, seen, found, stamp):
    """In how many sentences each word stands."""
    for s in range(first, last):
        stamp += 1
        for w in range(offsets[s], offsets[s + 1]):
            word = max(words[w], _ONE)
            at = _slot(word, keys)
            keys[at] = word
            if seen[at] != stamp:
                seen[at] = stamp
                found[at] += 1
    return stamp


@kernel
def _want(words, first, last, keys, weights, wanted, stamp):
    """Say which words a sentence has; returns what they weigh together."""
    total = 0.0
    for w in range(first, last):
        at = _slot(max(words[w], _ONE), keys)
        if wanted[at] != stamp:
            wanted[at] = stamp
            total += weights[at]
    return total


@kernel
def _best(places, width, weights, wanted, stamp, here):
    """What the wanted words weigh in that place of `width` words where they weigh most."""
    covered, best = 0.0, 0.0
    for w in range(places.size):
        at = places[w]
        if wanted[at] == stamp:
            covered += weights[at] if here[at] == 0 else 0.0
            here[at] += 1
        gone = places[w - width] if w >= width else at
        if w >= width and wanted[gone] == stamp:
            here[gone] -= 1
            covered -= weights[gone] if here[gone] == 0 else 0.0
        best = max(best, covered)
    for w in range(max(0, places.size - width), places.size):
        here[places[w]] = 0
    return best


@kernel
def _recall(rows, words, offsets, passage_rows, passage_words, passage_offsets, out):
    for r in range(rows.size - 1):
        first, last = rows[r], rows[r + 1]
        p_first, p_last = passage_rows[r], passage_rows[r + 1]
        start, stop = passage_offsets[p_first], passage_offsets[p_last]
        if first == last or start == stop:
            continue
        room = 16
        while room < 2 * (offsets[last] - offsets[first] + stop - start):
            room *= 2
        keys, seen, found = np.zeros(room, np.uint64), np.zeros(room, np.int64), np.zeros(room, np.int64)
        stamp = _count(words, offsets, first, last, keys, seen, found, 0)
        _count(passage_words, passage_offsets, p_first, p_last, keys, seen, found, stamp)
        weights = np.log(1.0 + (last - first + p_last - p_first) / np.maximum(found, 1))
        places = np.empty(stop - start, np.int64)
        for w in range(start, stop):
            places[w - start] = _slot(max(passage_words[w], _ONE), keys)
        wanted, here = np.zeros(room, np.int64), np.zeros(room, np.int64)
        for s in range(first, last):
            total = _want(words, offsets[s], offsets[s + 1], keys, weights, wanted, s + 1)
            width = max(LEAST, WINDOW * (offsets[s + 1] - offsets[s]))
            if total > 0.0:
                out[s] = min(1.0, max(0.0, _best(places, width, weights, wanted, s + 1, here) / total))
