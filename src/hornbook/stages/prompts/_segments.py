"""Texts cut into segments of a few hundred words that begin and end with whole sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hornbook.kernels.sentences import sentences

LONGEST = 1_000_000
"""Characters of a document that are looked at; our choice, about 150,000 words."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """A text and its sentences.

    Args:
        text: it.
        ranges: where each sentence begins and ends, in characters.
        words: how many words each has, as `hornbook.kernels.words` counts (each Han character is one).
    """

    text: str
    ranges: list[tuple[int, int]]
    words: list[int]


def read(texts: Sequence[str]) -> list[Sentences]:
    """The sentences of some texts, their words counted in one go."""
    from hornbook.kernels.words import texts as buffers
    from hornbook.kernels.words import words

    ranges = [sentences(text) for text in texts]
    every = [text[start:end] for text, mine in zip(texts, ranges, strict=True) for start, end in mine]
    data, offsets = buffers(pa.array(every, pa.large_string()))
    counts = np.diff(words(data, offsets).offsets).tolist()
    found, at = [], 0
    for text, mine in zip(texts, ranges, strict=True):
        found.append(Sentences(text, mine, counts[at : at + len(mine)]))
        at += len(mine)
    return found


def segments(of: Sentences, least: int, most: int) -> list[tuple[str, int]]:
    """(segment, words) in order, each of `least` to `most` words, about as long as each other.

    A sentence longer than `most` is left out, and no segment reaches over it. What is shorter than `least` and
    cannot be joined to anything is left out too.
    """
    found: list[tuple[str, int]] = []
    for first, last in _runs(of.words, most):
        total = sum(of.words[first:last])
        aim = -(-total // -(-total // most)) if total else 0
        start, size = first, 0
        for at in range(first, last):
            if size + of.words[at] > most or size >= aim:
                _add(found, of, start, at, least)
                start, size = at, 0
            size += of.words[at]
        _add(found, of, start, last, least)
    return found


def _runs(words: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Ranges of sentences, none of which is too long."""
    found, first = [], 0
    for at, size in enumerate(words):
        if size > most:
            found.append((first, at))
            first = at + 1
    return [(a, b) for a, b in [*found, (first, len(words))] if a < b]


def _add(found: list[tuple[str, int]], of: Sentences, start: int, end: int, least: int) -> None:
    size = sum(of.words[start:end])
    if start < end and size >= least:
        found.append((of.text[of.ranges[start][0] : of.ranges[end - 1][1]], size))
