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
    """(document, text) for each place where a short text stands in a document, word for word."""
    own, short = bench.words, bench.short
    for document, position, number in zip(*(hit.tolist() for hit in find(found, short)), strict=True):
        at, end = found.offsets[document] + position, found.offsets[document + 1]
        for text in short.texts[short.owners[number] : short.owners[number + 1]].tolist():
            same = own.hashes[own.offsets[text] : own.offsets[text + 1]]
            if at + same.size <= end and np.array_equal(found.hashes[at : at + same.size], same):
                yield document, text


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
    for document, text, window in _windows(data, found, bench):
        against = bench.texts[text]
        if document not in best or (-best[document][0], best[document][1]) > (-len(window) / len(against), text):
            ratio, span = _aligned(window, against)
            _better(best, document, (ratio, text, span))
    return {at: Match(bench.items[text], ratio, span[:_SPAN]) for at, (ratio, text, span) in best.items()}


def _better(best: dict[int, tuple[float, int, str]], document: int, new: tuple[float, int, str]) -> None:
    old = best.get(document)
    if old is None or (-new[0], new[1]) < (-old[0], old[1]):
        best[document] = new


def _windows(data: NDArray[np.uint8], found: Words, bench: Bench) -> Iterator[tuple[int, int, str]]:
    """(document, text, normalised window) around every hit: where the whole text would stand were it there,
    with a quarter of its words and five more on both sides. Hits within one window give one window."""
    document, position, number = find(found, bench.long)
    owners = bench.long.owners
    many = owners[number + 1] - owners[number]
    which = np.repeat(owners[number] - (np.cumsum(many) - many), many) + np.arange(many.sum())
    text, begin = bench.long.texts[which], np.repeat(position, many) - bench.long.positions[which]
    ranges, last = [], (-1, -1, 0)
    for at, part, start in np.unique(np.column_stack([np.repeat(document, many), text, begin]), axis=0).tolist():
        size = int(bench.words.offsets[part + 1] - bench.words.offsets[part])
        slack = size // 4 + 5
        if (at, part) == last[:2] and start <= last[2] + slack:
            continue
        last = (at, part, start)
        low, high = found.offsets[at], found.offsets[at + 1] - 1
        first = found.starts[min(max(low, low + start - slack), high)]
        ranges.append((at, part, first, found.ends[max(low, min(high, low + start + size + slack - 1))]))
    column = pa.array(
        [data[first:end].tobytes().decode(errors="replace") for _, _, first, end in ranges], pa.large_string()
    )
    for (at, part, _, _), window in zip(ranges, normalise(column, "words").to_pylist(), strict=True):
        yield at, part, window


def _aligned(window: str, text: str) -> tuple[float, str]:
    """Share of the text's characters in matching runs of more than five, and the longest run."""
    runs = SequenceMatcher(None, window, text, autojunk=False).get_matching_blocks()
    longest = max(runs, key=lambda run: run.size)
    ratio = sum(run.size for run in runs if run.size > _BLOCK) / len(text)
    return ratio, window[longest.a : longest.a + longest.size].strip()
