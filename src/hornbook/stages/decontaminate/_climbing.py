"""The ladder: skeletons, seeds, alignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from cydifflib import SequenceMatcher
from numpy.typing import NDArray

from hornbook.kernels.passages import bound, same
from hornbook.kernels.seeds import LONG, LONG_STEP, SHORT, SHORT_STEP, Index, build, find, telling
from hornbook.kernels.skeleton import Skeletons, squash
from hornbook.kernels.skeleton import places as places_in
from hornbook.kernels.words import texts, words
from hornbook.stages.decontaminate._items import Item
from hornbook.stages.decontaminate._pairs import Found, Pair, column, joined, places, read_items, shown
from hornbook.store.remembered import remembered

_BLOCK = 5
"""Matching runs of more characters count; Cosmopedia's number."""
_WHOLE = 0.8
"""A document with so much of a text holds it: its seeds are no stock there. Llama 2's share for `dirty`."""
_NEARLY = 0.9
"""A match of fewer characters than asked for tells where it is so much of the text; our choice, see the page."""
_DENSE = 128
"""Bytes of the longest text that has a seed at every position; longer ones have one at every third."""
_ENDS = frozenset(".?!:;。？！：；؟।…")
_BY_ITSELF = 40
"""Bytes of a text that counts whole and may stand within a sentence; a shorter one must begin one and end it."""
_PLACES, _TEXTS, _KEPT = 8, 64, 16
"""Places at which one seed is followed up in a document; texts that a document is aligned with; pairs kept."""
_PAIRS = 200_000_000
"""Pairs of characters (window x text) after which a document is aligned no further: about 0.3 s for prose."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Benchmark texts, ready to be looked for.

    Args:
        items: the item of each text.
        texts: their skeletons.
        whole: bool (texts,), those that count only whole.
        seeds: int64 (texts,), how many seeds each has.
        long, short: indexes.
    """

    items: list[Item]
    texts: Skeletons
    whole: NDArray[np.bool_]
    seeds: NDArray[np.int64]
    long: Index
    short: Index


def _load(against: tuple[str, ...], n: int, least: int, common: int) -> Bench:
    plain = [(part, item) for item in read_items(against) for part in item.parts]
    sizes = _sizes(plain)
    few = [each for each, size in zip(plain, sizes, strict=True) if size < n]
    more = [(f"{part} {choice}", item) for part, item in few for choice in item.choices]
    plain, sizes = plain + more, sizes + _sizes(more)
    every = squash(*texts(column([part for part, _ in plain])))
    first: dict[bytes, int] = {}
    for at, (a, b) in enumerate(zip(every.starts.tolist(), every.ends.tolist(), strict=True)):
        first.setdefault(every.data[a:b].tobytes(), at)
    some = np.fromiter(first.values(), np.int64, len(first))
    skeletons = Skeletons(every.data, every.starts[some], every.ends[some])
    owners, size = [plain[at][1] for at in first.values()], np.array(sizes, np.int64)[some]
    whole, wanted = size < n, size >= least
    none = np.zeros(size.size, bool)
    stock = _stock(_indexed(owners, skeletons, whole, wanted, none, common))
    return _indexed(owners, skeletons, whole, wanted & ~stock, ~whole, common)


load = remembered(_load)


def _sizes(parts: list[tuple[str, Item]]) -> list[int]:
    found: list[int] = np.diff(words(*texts(column([part for part, _ in parts]))).offsets).tolist()
    return found


def _indexed(
    owners: list[Item],
    skeletons: Skeletons,
    whole: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    aligned: NDArray[np.bool_],
    common: int,
) -> Bench:
    """Index texts: those to be aligned by seeds all over; those that count whole and are wanted by seeds next to each
    other, as many as the bytes that a document's windows are apart."""
    starts, size = skeletons.starts, skeletons.ends - skeletons.starts
    step = np.where(size > _DENSE, 3, 1)
    long = _each(starts, np.where(aligned, (size - LONG) // step + 1, 0), step)
    long = long[telling(skeletons.data, long, LONG)]
    brief = whole & wanted & (size >= SHORT + SHORT_STEP - 1)
    enough = size >= LONG + LONG_STEP - 1
    extra = _beginnings(skeletons, np.flatnonzero(brief & enough), LONG, LONG_STEP)
    short = _beginnings(skeletons, np.flatnonzero(brief & ~enough), SHORT, SHORT_STEP)
    kept = build(skeletons, np.sort(np.concatenate([long, extra])), LONG, common)
    return Bench(
        owners, skeletons, whole, np.bincount(kept.texts, minlength=size.size), kept, build(skeletons, short, SHORT)
    )


def _beginnings(skeletons: Skeletons, which: NDArray[np.int64], length: int, step: int) -> NDArray[np.int64]:
    """Of each text the first places next to each other, as many as `step`, where a window tells; ascending."""
    many = skeletons.ends[which] - skeletons.starts[which] - length + 1
    at = _each(skeletons.starts[which], many, np.ones(which.size, np.int64))
    text = np.repeat(np.arange(which.size), many)
    good = telling(skeletons.data, at, length)
    before = np.append(0, np.cumsum(good))
    first = np.flatnonzero(before[step:] - before[:-step] == step)
    first = first[text[first] == text[first + step - 1]]
    _, earliest = np.unique(text[first], return_index=True)
    found: NDArray[np.int64] = (at[first[earliest]][:, None] + np.arange(step)).ravel()
    return found


def _each(starts: NDArray[np.int64], many: NDArray[np.int64], step: NDArray[np.int64]) -> NDArray[np.int64]:
    """`many` places from each start on, `step` apart, one after the other."""
    many = np.maximum(many, 0)
    number = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    out: NDArray[np.int64] = np.repeat(starts, many) + number * np.repeat(step, many)
    return out


def _stock(bench: Bench) -> NDArray[np.bool_]:
    """Texts that count whole and stand inside another item too: stock phrases, no mark of one item."""
    out = np.zeros(len(bench.items), bool)
    again = squash(bench.texts.data, np.zeros(1, np.int64)) if not bench.items else bench.texts
    home, _, text = _wholes(again, bench, _hits(again, bench))
    for a, b in zip(home.tolist(), text.tolist(), strict=True):
        out[b] |= a != b and bench.items[a].key != bench.items[b].key
    return out


Match = tuple[float, int, str, list[tuple[int, int]], list[int]]
"""minus the ratio, text, rung, ranges of the document's skeleton, seeds"""
Hits = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""document, byte of its skeleton at which the text would begin, text, place of the seed in the text, seed"""


def _hits(documents: Skeletons, bench: Bench) -> Hits:
    """Every place at which a text may stand, by its seeds; for one seed in one document the first eight."""
    document, position, number = find(documents, bench.long, bench.short)
    order = np.lexsort((position, number, document))
    fresh = np.ones(order.size, bool)
    fresh[1:] = (np.diff(document[order]) != 0) | (np.diff(number[order]) != 0)
    early = order[places(np.cumsum(fresh)) < _PLACES]
    parts: list[Hits] = []
    for index, some in ((bench.long, early[number[early] >= 0]), (bench.short, early[number[early] < 0])):
        seed = np.where(number[some] < 0, -1 - number[some], number[some]).astype(np.int64)
        many = index.owners[seed + 1] - index.owners[seed]
        which = np.repeat(index.owners[seed] - (np.cumsum(many) - many), many) + np.arange(many.sum())
        inside = index.positions[which].astype(np.int64)
        begin = np.repeat(position[some], many) - inside
        parts.append(
            (np.repeat(document[some], many), begin, index.texts[which].astype(np.int64), inside, np.repeat(seed, many))
        )
    return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))  # type: ignore[return-value]


def _wholes(
    documents: Skeletons, bench: Bench, hits: Hits
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(document, begin, text) where a text that counts whole stands, byte for byte."""
    document, begin, text = (part[bench.whole[hits[2]]] for part in hits[:3])
    size = bench.texts.ends[text] - bench.texts.starts[text]
    at = documents.starts[document] + begin
    fits = (begin >= 0) & (at + size <= documents.ends[document])
    document, begin, text, at, size = (part[fits] for part in (document, begin, text, at, size))
    good = same(documents.data, at, bench.texts.data, bench.texts.starts[text], size)
    rows = np.unique(np.column_stack([document[good], begin[good], text[good]]), axis=0)
    return rows[:, 0], rows[:, 1], rows[:, 2]


def climb(data: NDArray[np.uint8], offsets: NDArray[np.int64], bench: Bench, letters: int) -> dict[int, Found]:
    """What documents hold of the benchmarks.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).
        letters: characters of a match that tells; a match of fewer does where it is nine tenths of its text.

    Returns:
        document → what was found; documents without a seed are not in it.
    """
    documents = squash(data, offsets)
    hits = _hits(documents, bench)
    places_of = _Places(data, offsets)
    matches: dict[int, list[Match]] = {}
    for document, begin, text in zip(*(part.tolist() for part in _wholes(documents, bench, hits)), strict=True):
        size = int(bench.texts.ends[text] - bench.texts.starts[text])
        if size >= _BY_ITSELF or places_of.by_itself(document, begin, begin + size):
            matches.setdefault(document, []).append((-1.0, text, "whole", [(begin, begin + size)], []))
    seeds: dict[int, dict[int, bool]] = {}
    spent: dict[int, int] = {}
    for document, text, windows, held in _windows(documents, hits, bench):
        ratio = 0.0
        size = int(bench.texts.ends[text] - bench.texts.starts[text])
        if spent.get(document, 0) < _PAIRS and _may_tell(documents, document, windows, bench, text, letters):
            spent[document] = spent.get(document, 0) + size * sum(b - a for a, b in windows)
            against = bench.texts.text(text)
            ratio, spans = _aligned(documents, document, windows, against)
            if _tells(ratio, len(against), max((b - a for a, b in spans), default=0), size, letters):
                matches.setdefault(document, []).append((-ratio, text, "aligned", spans, held))
        known = seeds.setdefault(document, {})
        for seed in held:
            known[seed] = known.get(seed, False) or ratio >= _WHOLE
    out: dict[int, Found] = {}
    for document in sorted(matches.keys() | seeds.keys()):
        pairs = [
            Pair(text, -ratio, rung, *places_of.shown(document, spans), held)
            for ratio, text, rung, spans, held in sorted(matches.get(document, []))[:_KEPT]
        ]
        out[document] = Found(pairs, seeds.get(document, {}))
    return out


class _Places:
    """Where bytes of skeletons are from, for the documents that are asked for."""

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.data, self.offsets = data, offsets
        self.known: dict[int, NDArray[np.int64]] = {}

    def ranges(self, document: int, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Byte ranges of a document's skeleton as byte ranges of the data."""
        if document not in self.known:
            self.known[document] = places_in(self.data, int(self.offsets[document]), int(self.offsets[document + 1]))
        where = self.known[document]
        return [(int(where[a]), _after(self.data, int(where[b - 1]))) for a, b in spans]

    def by_itself(self, document: int, begin: int, end: int) -> bool:
        [(first, last)] = self.ranges(document, [(begin, end)])
        return _by_itself(self.data, int(self.offsets[document]), first, last, int(self.offsets[document + 1]))

    def shown(self, document: int, spans: list[tuple[int, int]]) -> tuple[str, str]:
        base, end = int(self.offsets[document]), int(self.offsets[document + 1])
        ranges = self.ranges(document, joined(spans, _BLOCK))
        return shown(self.data[base:end], [(a - base, b - base) for a, b in ranges])


def _tells(ratio: float, characters: int, longest: int, size: int, letters: int) -> bool:
    """Whether a match says more than that both are about the same thing: nearly all of the text is there; or enough
    characters are, and either most of the text or enough in one run (`longest` and `size` in bytes)."""
    if ratio >= _NEARLY:
        return True
    return ratio * characters >= letters and (ratio >= _WHOLE or longest >= min(letters * size / characters, size / 2))


def _may_tell(
    documents: Skeletons, document: int, windows: list[tuple[int, int]], bench: Bench, text: int, letters: int
) -> bool:
    """False only where `_tells` would be, and the ratio under `_WHOLE`: for texts of ASCII, by a quick bound."""
    against = bench.texts.data[bench.texts.starts[text] : bench.texts.ends[text]]
    if (against >= 0x80).any():
        return True
    base = int(documents.starts[document])
    most, longest = bound(np.concatenate([documents.data[base + a : base + b] for a, b in windows]), against)
    if most >= _WHOLE * against.size:
        return True
    return most >= letters and longest >= min(letters, against.size / 2)


def _by_itself(data: NDArray[np.uint8], low: int, first: int, last: int, high: int) -> bool:
    """Whether the bytes from `first` to `last` begin a sentence or a line, and no sentence goes on behind them."""
    before = data[max(low, first - 32) : first].tobytes().decode(errors="ignore")
    behind = data[last : min(high, last + 32)].tobytes().decode(errors="ignore")
    for character in reversed(before):
        if character in _ENDS or character in "\n\r\u2028\u2029":
            break
        if character.isalnum():
            return False
    for character in behind:
        if character in _ENDS or character in "\n\r\u2028\u2029":
            break
        if character.isalnum():
            return not character.islower()
    return True


def _after(data: NDArray[np.uint8], at: int) -> int:
    """Where the character that begins at byte `at` ends."""
    lead = int(data[at])
    return at + (1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)


def _windows(
    documents: Skeletons, hits: Hits, bench: Bench
) -> Iterator[tuple[int, int, list[tuple[int, int]], list[int]]]:
    """(document, text, ranges of the document's skeleton, seeds) for each text that is followed up: where the whole
    text would stand were it there, with a quarter of its length and 24 bytes more on
    both sides. Texts of whose seeds the
    document holds the largest shares come first, 64 at most."""
    long = ~bench.whole[hits[2]]
    document, begin, text, inside, seed = (part[long] for part in hits)
    if not document.size:
        return
    order = np.lexsort((begin, text, document))
    document, begin, text, inside, seed = (part[order] for part in (document, begin, text, inside, seed))
    edges = np.flatnonzero(np.r_[True, (np.diff(document) != 0) | (np.diff(text) != 0), True])
    found = []
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        share = np.unique(inside[a:b]).size / max(1, int(bench.seeds[text[a]]))
        found.append((int(document[a]), -share, int(text[a]), a, b))
    found.sort()
    rank = places(np.array([row[0] for row in found], np.int64)).tolist()
    for (home, _, which, a, b), at in zip(found, rank, strict=True):
        if at >= _TEXTS:
            continue
        size = int(bench.texts.ends[which] - bench.texts.starts[which])
        slack, end = size // 4 + LONG, int(documents.ends[home] - documents.starts[home])
        ranges = [(max(0, o - slack), min(end, o + size + slack)) for o in begin[a:b].tolist()]
        yield home, which, joined(ranges, 0), sorted(set(seed[a:b].tolist()))


def _aligned(
    documents: Skeletons, document: int, windows: list[tuple[int, int]], text: str
) -> tuple[float, list[tuple[int, int]]]:
    """Share of the text's characters in matching runs of more than five, in windows of a document put one after the
    other; and these runs as byte ranges of the document's skeleton."""
    base = int(documents.starts[document])
    raw = documents.data[base : documents.ends[document]]
    pieces, homes = [], []
    for begin, end in windows:
        first, last = begin, end
        while first < last and raw[first] & 0xC0 == 0x80:
            first += 1
        while last < raw.size and raw[last] & 0xC0 == 0x80:
            last += 1
        pieces.append(raw[first:last].tobytes().decode())
        homes.append(first + np.flatnonzero((raw[first:last] & 0xC0) != 0x80))
    where = np.append(np.concatenate(homes), raw.size)
    runs = SequenceMatcher(None, "".join(pieces), text, autojunk=False).get_matching_blocks()
    told = [run for run in runs if run.size > _BLOCK]
    spans = []
    for run in told:
        cuts = [run.a, *(run.a + 1 + np.flatnonzero(np.diff(where[run.a : run.a + run.size]) > 4)).tolist()]
        for a, b in zip(cuts, [*cuts[1:], run.a + run.size], strict=True):
            spans.append((int(where[a]), int(where[b - 1]) + 1))
    return sum(run.size for run in told) / len(text), spans
