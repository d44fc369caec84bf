"""Matching documents with benchmark items: candidates by n-grams, then characters aligned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from cydifflib import SequenceMatcher
from numpy.typing import NDArray

from hornbook.kernels.ngrams import Index, build, find, telling
from hornbook.kernels.words import Words, normalise, texts, words
from hornbook.stages.decontaminate._items import Item, items
from hornbook.store.reading import File, expand

_BLOCK = 5
_SPAN = 300
_SLICE = 1 << 16
"""Hits that are looked at in one go, for memory."""
_PLACES = 8
"""Places in a document at which one n-gram is followed up: the first so many."""
_TEXTS = 64
"""Texts that a document is aligned with at most: those of whose n-grams it holds the largest shares."""
_PAIRS = 200_000_000
"""Pairs of characters (window x text) after which a document is aligned no further: about 0.3 s for prose. With
these three, 10 MB made of one stock phrase of 83 items take 0.1 s; without, 0.1 MB of it took 6.7 s."""


@dataclass(frozen=True, slots=True)
class Match:
    """The best match of one document: the item, the share of it that is in the document, the longest
    run of characters they share (normalised, at most 300)."""

    item: Item
    ratio: float
    span: str


@dataclass(frozen=True, slots=True)
class Bench:
    """Benchmark texts, ready to be looked for.

    Args:
        items: the item of each text.
        texts: the parts of all items, normalised, each once.
        words: their words.
        long: index of the telling n-grams of texts of n words or more.
        short: index of the first words of texts that are shorter.
    """

    items: list[Item]
    texts: list[str]
    words: Words
    long: Index
    short: Index


def load(against: Sequence[str], n: int, least: int) -> Bench:
    """Read and index benchmark files; kept in the process while the files stay as they are.

    Args:
        against: paths, globs, folders or URLs.
        n: words in an n-gram.
        least: words of the shortest text that is looked for as a whole.

    Raises:
        UserError: a path names no file, or a file holds something that is no item.
    """
    return _load(tuple((file, _changed(file)) for file in expand(against)), n, least)


def _changed(file: File) -> int:
    return 0 if file.remote or file.fault else Path(file.path).stat().st_mtime_ns


@lru_cache(maxsize=4)
def _load(stamps: tuple[tuple[File, int], ...], n: int, least: int) -> Bench:
    every = [item for file, _ in stamps for item in items(file)]
    parts = _parts(every, n)
    normal = normalise(pa.array([part for part, _ in parts], pa.large_string()), "words").to_pylist()
    owners: dict[str, Item] = {}
    for text, (_, item) in zip(normal, parts, strict=True):
        owners.setdefault(text, item)
    found = words(*texts(pa.array(list(owners), pa.large_string())))
    sizes = np.diff(found.offsets)
    long = build(found, n, telling(found, n))
    chosen = np.zeros(sizes.size, bool)
    for size in range(least, n):
        alike = np.flatnonzero(sizes == size)
        chosen[alike] = telling(found, size)[found.offsets[alike]]
    bench = Bench(list(owners.values()), list(owners), found, long, _beginnings(found, chosen, least))
    chosen[_stock(bench)] = False
    return replace(bench, short=_beginnings(found, chosen, least))


def _parts(every: list[Item], n: int) -> list[tuple[str, Item]]:
    """What is looked for: each part of an item and, where it has fewer than n words, the part with each choice."""
    plain = [(part, item) for item in every for part in item.parts]
    sizes = np.diff(words(*texts(pa.array([part for part, _ in plain], pa.large_string()))).offsets)
    few = [each for each, size in zip(plain, sizes.tolist(), strict=True) if size < n]
    return plain + [(f"{part} {choice}", item) for part, item in few for choice in item.choices]


def _beginnings(found: Words, chosen: NDArray[np.bool_], least: int) -> Index:
    """Index of the first `least` words of the chosen texts."""
    wanted = np.zeros(found.hashes.size, bool)
    wanted[found.offsets[:-1][chosen]] = True
    return build(found, least, wanted)


def _stock(bench: Bench) -> list[int]:
    """Short texts that stand inside another item too: stock phrases, no mark of one item."""
    inside = _whole(bench.words, bench)
    return [text for home, text in inside if bench.items[text].key != bench.items[home].key]


def _whole(found: Words, bench: Bench) -> Iterator[tuple[int, int]]:
    """(document, text) where a short text stands in a document, word for word; a pair may come more than once."""
    own, short = bench.words, bench.short
    documents, positions, numbers = find(found, short)
    for first in range(0, documents.size, _SLICE):
        some = slice(first, first + _SLICE)
        many, which = _places_of(numbers[some], short)
        text, home = short.texts[which].astype(np.int64), np.repeat(documents[some], many)
        at, begin = found.offsets[home] + np.repeat(positions[some], many), own.offsets[text]
        last = own.offsets[text + 1] - begin - 1
        left = np.flatnonzero(at + last < found.offsets[home + 1])
        for word in range(int(last.max(initial=-1)) + 1):
            step = np.minimum(word, last[left])
            left = left[found.hashes[at[left] + step] == own.hashes[begin[left] + step]]
        yield from np.unique(np.column_stack([home[left], text[left]]), axis=0).tolist()


def _places_of(number: NDArray[np.int32], index: Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many places each of some n-grams has in the index, and these places, one after the other."""
    many = index.owners[number + 1] - index.owners[number]
    which = np.repeat(index.owners[number] - (np.cumsum(many) - many), many) + np.arange(many.sum())
    return many, which


def match(data: NDArray[np.uint8], offsets: NDArray[np.int64], bench: Bench) -> dict[int, Match]:
    """The best match of each document that shares a telling n-gram, or a whole short text, with an item.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).

    Returns:
        document → match; of equal ratios the item that comes first.
    """
    found = words(data, offsets)
    best: dict[int, tuple[float, int, str]] = {}
    for document, text in _whole(found, bench):
        _better(best, document, (1.0, text, bench.texts[text]))
    spent: dict[int, int] = {}
    for document, text, window in _windows(data, found, bench):
        against = bench.texts[text]
        if document in best and (-best[document][0], best[document][1]) <= (
            -len(window) / len(against),
            text,
        ):
            continue
        if spent.get(document, 0) < _PAIRS:
            spent[document] = spent.get(document, 0) + len(window) * len(against)
            ratio, span = _aligned(window, against)
            _better(best, document, (ratio, text, span))
    return {at: Match(bench.items[text], ratio, span[:_SPAN]) for at, (ratio, text, span) in best.items()}


def _better(best: dict[int, tuple[float, int, str]], document: int, new: tuple[float, int, str]) -> None:
    old = best.get(document)
    if old is None or (-new[0], new[1]) < (-old[0], old[1]):
        best[document] = new


def _windows(data: NDArray[np.uint8], found: Words, bench: Bench) -> Iterator[tuple[int, int, str]]:
    """(document, text, normalised window) around every hit that is followed up: where the whole text would stand
    were it there, with a quarter of its words and five more on both sides. Hits within one window give one window.
    Texts of whose n-grams the document holds most come first."""
    ranges, last = [], (-1, -1, 0)
    for at, rank, part, start in _followed(find(found, bench.long), bench).tolist():
        size = int(bench.words.offsets[part + 1] - bench.words.offsets[part])
        slack = size // 4 + 5
        if (at, rank) == last[:2] and start <= last[2] + slack:
            continue
        last = (at, rank, start)
        low, high = found.offsets[at], found.offsets[at + 1] - 1
        first = found.starts[min(max(low, low + start - slack), high)]
        ranges.append((at, part, first, found.ends[max(low, min(high, low + start + size + slack - 1))]))
    column = pa.array(
        [data[first:end].tobytes().decode(errors="replace") for _, _, first, end in ranges], pa.large_string()
    )
    for (at, part, _, _), window in zip(ranges, normalise(column, "words").to_pylist(), strict=True):
        yield at, part, window


def _followed(hits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]], bench: Bench) -> NDArray[np.int64]:
    """Hits that are followed up: int64 (hits, 4), sorted rows of document, rank of the text in it, text, and word of
    the document at which the text would begin."""
    document, position, number = (part[_first_places(hits)] for part in hits)
    many, which = _places_of(number, bench.long)
    text, inside = bench.long.texts[which].astype(np.int64), bench.long.positions[which]
    document, begin = np.repeat(document, many), np.repeat(position, many) - inside
    pairs, pair = np.unique(np.column_stack([document, text]), axis=0, return_inverse=True)
    pair = pair.reshape(-1)
    held = np.unique(np.column_stack([pair, inside]), axis=0)[:, 0]
    grams = np.diff(bench.words.offsets)[pairs[:, 1]] - bench.long.n + 1
    share = np.bincount(held, minlength=len(pairs)) / grams
    order = np.lexsort((pairs[:, 1], -share, pairs[:, 0]))
    rank = np.empty(len(pairs), np.int64)
    rank[order] = _places(pairs[order, 0])
    rows = np.column_stack([document, rank[pair], text, begin])
    return np.unique(rows[rows[:, 1] < _TEXTS], axis=0)


def _first_places(hits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]) -> NDArray[np.bool_]:
    """Which hits are among the first `_PLACES` of their n-gram in their document: bool (hits,)."""
    document, _, number = hits
    order = np.lexsort((number, document))
    fresh = np.ones(order.size, bool)
    fresh[1:] = (np.diff(document[order]) != 0) | (np.diff(number[order]) != 0)
    early = np.empty(order.size, bool)
    early[order] = _places(np.cumsum(fresh)) < _PLACES
    return early


def _places(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each element among its equals, from 0, where equals stand together: int64 (n,)."""
    at = np.arange(groups.size)
    begins = np.ones(groups.size, bool)
    begins[1:] = groups[1:] != groups[:-1]
    return at - np.maximum.accumulate(np.where(begins, at, 0)) if groups.size else at


def _aligned(window: str, text: str) -> tuple[float, str]:
    """Share of the text's characters in matching runs of more than five, and the longest run."""
    runs = SequenceMatcher(None, window, text, autojunk=False).get_matching_blocks()
    longest = max(runs, key=lambda run: run.size)
    ratio = sum(run.size for run in runs if run.size > _BLOCK) / len(text)
    return ratio, window[longest.a : longest.a + longest.size].strip()
