"""A local corpus cut into passages, with an index by words and one by meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.kernels.embedders import embedder
from hornbook.kernels.sentences import sentences
from hornbook.kernels.words import BY_ITSELF, blocks, texts, words
from hornbook.store.reading import expand, read_files
from hornbook.store.remembered import remembered

_ODD, _STEP, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95), np.uint64(29)
_ROOM = 1 << 24
"""Cosines held at once (64 MB)."""
_SLACK = 1e-4
"""More than a float32 cosine can be off."""
Ranked = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Passages, best first, and their scores."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Passages, ready to be found.

    Args:
        passages: their texts.
        sources: file and place of each.
        homes: id of a document → ranges of its passages.
        vocabulary: uint64 sorted, hashes of all words; None where it is not searched by words.
        bm25: the index of bm25s over places in the vocabulary.
        vectors: float32 (passages, dimensions) of length 1; None where it is not searched by meaning.
    """

    passages: pa.LargeStringArray
    sources: list[str]
    homes: dict[str, list[tuple[int, int]]]
    vocabulary: NDArray[np.uint64] | None
    bm25: Any
    vectors: NDArray[np.float32] | None


def cut(text: str, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Passages of a text, as ranges of characters: whole sentences, as many as fit into `size`.

    A sentence that is longer is cut, between words where there are spaces. A passage begins with the last `overlap`
    sentences of the one before, as far as it still says something new.
    """
    parts = [part for start, end in sentences(text) for part in _short(text, start, end, size)]
    at = 0
    while at < len(parts):
        last = at
        while last + 1 < len(parts) and parts[last + 1][1] - parts[at][0] <= size:
            last += 1
        yield parts[at][0], parts[last][1]
        if last + 1 == len(parts):
            return
        at = max(at + 1, last + 1 - overlap)
        while at <= last and parts[last + 1][1] - parts[at][0] > size:
            at += 1


def _short(text: str, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    while end - start > size:
        space = text.rfind(" ", start + size // 2, start + size)
        stop = start + size if space < 0 else space
        yield start, stop
        start = stop if space < 0 else stop + 1
    if start < end:
        yield start, end


def tokens(column: Any) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Words of texts by the one word rule, and pairs of neighbouring characters in scripts written without spaces.

    Returns:
        hashes: uint64, those of one text together; offsets: int64 (texts + 1,).
    """
    data, offsets = texts(column)
    parts: list[NDArray[np.uint64]] = []
    sizes: list[NDArray[np.int64]] = []
    for first, last in blocks(offsets):
        found = words(data, offsets[first : last + 1])
        owners = np.repeat(np.arange(last - first), np.diff(found.offsets))
        alone = (found.flags & BY_ITSELF) != 0
        beside = alone[:-1] & alone[1:] & (found.ends[:-1] == found.starts[1:]) & (owners[:-1] == owners[1:])
        pairs = found.hashes[:-1][beside] * _ODD + found.hashes[1:][beside] * _STEP
        pairs ^= pairs >> _SHIFT
        owner = np.concatenate([owners, owners[:-1][beside]])
        parts.append(np.concatenate([found.hashes, pairs])[np.argsort(owner, kind="stable")])
        sizes.append(np.bincount(owner, minlength=last - first))
    every = np.concatenate([np.zeros(0, np.uint64), *parts])
    return every, np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes]))])


def _load(
    corpus: tuple[str, ...], text: str, size: int, overlap: int, k1: float, b: float, by_words: bool, meaning: str
) -> Shelf:
    cuts: list[str] = []
    sources: list[str] = []
    homes: dict[str, list[tuple[int, int]]] = {}
    for table in read_files(expand(corpus), text):
        if not isinstance(table, pa.Table):
            continue
        for row in table.select(["id", "text", "origin"]).to_pylist():
            spans = list(cut(row["text"] or "", size, overlap))
            homes.setdefault(str(row["id"]), []).append((len(cuts), len(cuts) + len(spans)))
            cuts += [row["text"][start:end] for start, end in spans]
            whole = row["origin"] or str(row["id"])
            sources += [whole] if len(spans) == 1 else [f"{whole} {start}-{end}" for start, end in spans]
    if not cuts:
        raise UserError(
            "prompts.passages: nothing to be found in the corpus",
            where=", ".join(corpus),
            fix=f"files with words in them; rows need the column {text!r} (knob `text`)",
        )
    column = pa.array(cuts, pa.large_string())
    vocabulary, bm25 = _indexed(column, k1, b) if by_words else (None, None)
    return Shelf(column, sources, homes, vocabulary, bm25, embedder(meaning)(column) if meaning else None)


load = remembered(_load)
"""(corpus, column of the text, size and overlap of passages, k1, b, whether by words, embedding or '') → Shelf.

Raises:
    UserError: a path names no file, or there are no words in them.
"""


def _indexed(column: pa.LargeStringArray, k1: float, b: float) -> tuple[NDArray[np.uint64], Any]:
    try:
        from bm25s import BM25
    except ImportError as error:
        raise UserError(
            f"prompts.passages needs bm25s: {error}", fix="pip install 'hornbook[retrieve]', or method: vectors"
        ) from error
    found, offsets = tokens(column)
    vocabulary, places = np.unique(found, return_inverse=True)
    numbers = [places[a:b].tolist() for a, b in pairwise(offsets.tolist())]
    index = BM25(k1=k1, b=b, method="lucene")
    index.index((numbers, dict(enumerate(range(vocabulary.size)))), show_progress=False)
    return vocabulary, index


def by_words(shelf: Shelf, queries: Any, barred: list[list[tuple[int, int]]], many: int, least: float) -> list[Ranked]:
    """For each query its best passages by BM25; each word of a query counts once.

    Args:
        queries: a column of text.
        barred: for each query the ranges of passages that are not for it.
        many: at most so many.
        least: passages must have more than this score, and more than 0.
    """
    assert shelf.vocabulary is not None
    hashes, offsets = tokens(queries)
    out = []
    for row, (start, end) in enumerate(pairwise(offsets.tolist())):
        wanted = np.unique(hashes[start:end])
        at = np.minimum(np.searchsorted(shelf.vocabulary, wanted), shelf.vocabulary.size - 1)
        known = at[shelf.vocabulary[at] == wanted]
        if not known.size:
            out.append(_best(np.zeros(0), np.zeros(0, np.int64), many))
            continue
        scores = shelf.bm25.get_scores_from_ids(known)
        for a, b in barred[row]:
            scores[a:b] = 0
        some = np.flatnonzero(scores)
        found = np.round(scores[some].astype(np.float64), 4)
        out.append(_best(found[found > least], some[found > least], many))
    return out


def by_meaning(
    shelf: Shelf, queries: NDArray[np.float32], barred: list[list[tuple[int, int]]], many: int, least: float
) -> list[Ranked]:
    """For each query's vector its best passages by cosine, a block of queries at a time.

    The same whatever stands beside a query: what a matrix product says is near is measured again, one by one.
    """
    assert shelf.vectors is not None
    out = []
    rows = max(1, _ROOM // len(shelf.vectors))
    for first in range(0, len(queries), rows):
        some = queries[first : first + rows]
        for row, near in enumerate(some @ shelf.vectors.T, first):
            for a, b in barred[row]:
                near[a:b] = -2
            edge = np.partition(near, -many)[-many] if many < near.size else -1.5
            at = np.flatnonzero(near >= max(edge, least) - _SLACK)
            exact = (shelf.vectors[at].astype(np.float64) * queries[row].astype(np.float64)).sum(axis=1)
            keep = (np.round(exact, 6) >= least) & queries[row].any()
            out.append(_best(exact[keep], at[keep], many))
    return out


def _best(scores: NDArray[np.float64], which: NDArray[np.int64], many: int) -> Ranked:
    """The best, of equally good ones the first."""
    scores = np.round(scores, 6)
    if scores.size > 4 * many:
        near = np.flatnonzero(scores >= np.partition(scores, -many)[-many])
        scores, which = scores[near], which[near]
    order = np.lexsort((which, -scores))[:many]
    return which[order], scores[order]


def fused(one: Ranked, two: Ranked, flat: float, many: int) -> Ranked:
    """Two rankings as one: a passage has 1 / (flat + rank) of each, ranks from 1 (reciprocal rank fusion)."""
    points: dict[int, float] = {}
    for which, _ in (one, two):
        for rank, passage in enumerate(which.tolist(), 1):
            points[passage] = points.get(passage, 0.0) + 1.0 / (flat + rank)
    return _best(np.array(list(points.values()), np.float64), np.array(list(points), np.int64), many)
