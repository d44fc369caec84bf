"""What speaks for a sentence in a passage: its words, its numbers and names, its meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.kernels.embedders import embedder
from hornbook.kernels.sentences import sentences
from hornbook.kernels.support import recall
from hornbook.kernels.words import texts, words

_NUMBER = re.compile(r"\d++(?:[.,:]\d++)*+|[零〇一二三四五六七八九十百千万亿两]{2,}+")
_TITLE = re.compile(r"《([^《》]{1,80})》")
_WORD = re.compile(r"[^\W_]++")
_SMALL = "zero零 one一 two二 three三 four四 five五 six六 seven七 eight八 nine九 ten十 eleven十一 twelve十二"
_SPELT = {
    str(n): (both.rstrip("零一二三四五六七八九十"), both.lstrip("abcdefghijklmnopqrstuvwxyz"))
    for n, both in enumerate(_SMALL.split())
}
"""Small numbers as words, English and Chinese."""


@lru_cache(maxsize=256)
def cut(text: str | None, most: int) -> tuple[str, ...]:
    """The sentences of the first `most` characters of a text; where it is cut, without what was cut in two."""
    whole = text or ""
    short = whole[:most]
    found = sentences(short)
    if len(short) < len(whole) and len(found) > 1 and found[-1][1] == len(short):
        found.pop()
    return tuple(short[start:end] for start, end in found)


def hashed(column: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(hashes of the words of some texts, offsets of each text's)."""
    data, offsets = texts(pa.array(column, pa.large_string()))
    found = words(data, offsets)
    return found.hashes, found.offsets


def lexical(own: Sequence[Sequence[str]], passages: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
    """For each row the share of each sentence's words that stand in one place of the row's passage.

    Args:
        own: sentences of each row. passages: sentences of what each row is held against.
    """
    rows, passage_rows = _offsets(own), _offsets(passages)
    found = recall(
        rows,
        *hashed([s for some in own for s in some]),
        passage_rows,
        *hashed([s for some in passages for s in some]),
    )
    return [found[a:b] for a, b in pairwise(rows.tolist())]


def alike(own: Sequence[Sequence[str]], passages: Sequence[Sequence[str]], embedding: str) -> list[NDArray[np.float64]]:
    """For each row the cosine of each sentence and the sentence of the passage that is nearest in meaning, 0 to 1."""
    embed = embedder(embedding)
    rows, passage_rows = _offsets(own), _offsets(passages)
    mine = embed(pa.array([s for some in own for s in some], pa.large_string())) if rows[-1] else np.zeros((0, 1))
    theirs = [s for some in passages for s in some]
    others = embed(pa.array(theirs, pa.large_string())) if theirs else np.zeros((0, mine.shape[1]))
    found = []
    for r in range(len(own)):
        one, two = mine[rows[r] : rows[r + 1]], others[passage_rows[r] : passage_rows[r + 1]]
        found.append(nearest(one, two))
    return found


def nearest(one: NDArray[np.floating], two: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each row of `one` the greatest cosine with a row of `two`, at least 0."""
    if not len(one) or not len(two):
        return np.zeros(len(one))
    best = (one @ two.T).argmax(axis=1)
    exact = (one.astype(np.float64) * two[best].astype(np.float64)).sum(axis=1)
    found: NDArray[np.float64] = np.round(np.clip(exact, 0.0, 1.0), 6)
    return found


def _offsets(lists: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(some) for some in lists], dtype=np.int64)]).astype(np.int64)


class Facts:
    """The numbers, names and titles that a passage has.

    Args:
        passage: its text.
    """

    def __init__(self, passage: str) -> None:
        self._folded = passage.casefold()
        self._words = set(_WORD.findall(self._folded))
        self._numbers = {number.replace(",", "") for number in _NUMBER.findall(passage)}

    def has(self, sentence: str) -> bool:
        """Whether the passage has every number, name and title that a sentence has."""
        return (
            all(map(self._number, _NUMBER.findall(sentence)))
            and all(name.casefold() in self._words for name in names(sentence))
            and all(title.casefold() in self._folded for title in _TITLE.findall(sentence))
        )

    def _number(self, number: str) -> bool:
        """Whether a number is there, or as a word."""
        plain = number.replace(",", "")
        english, chinese = _SPELT.get(plain, ("", ""))
        return plain in self._numbers or english in self._words or bool(chinese and chinese in self._folded)


def names(sentence: str) -> list[str]:
    """Words with a capital that are not there because a sentence begins; none where most words have one."""
    others = _WORD.findall(sentence)[1:]
    capital = [word for word in others if word[0].isupper() and len(word) > 1]
    return capital if 2 * len(capital) <= len(others) else []
