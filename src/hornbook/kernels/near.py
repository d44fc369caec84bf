# ruff: noqa: ANN001, ANN202, C901, PLR0912, SIM110 (kernels are typed by what they are given)
"""Near duplicates: bands of signatures, connected components, exact verification.

Locality-sensitive hashing (Indyk & Motwani 1998; Leskovec et al., Mining of Massive Datasets, section 3.4): a signature
of bands x rows places is cut into bands, and two texts are compared where all rows of one band agree. Texts of
similarity s meet with probability 1 - (1 - s^rows)^bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel

_BASE = np.uint64(0xD1342543DE82EF95)
_MIX1 = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)


def meeting(similarity: float, bands: int, rows: int) -> float:
    """Probability that two texts of a similarity are compared."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def banding(threshold: float, recall: float, places: int) -> tuple[int, int]:
    """(bands, rows) of at most so many places: the most rows that let pairs at the threshold meet as often as wanted.

    More rows compare fewer pairs in vain. Where no number of rows is enough, one row.
    """
    for rows in range(places, 0, -1):
        if meeting(threshold, places // rows, rows) >= recall:
            return places // rows, rows
    return places, 1


def band_keys(signs: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
    """One hash for each band of each signature, other for other bands: uint64 (texts, bands)."""
    out = np.empty((signs.shape[0], bands), np.uint64)
    _band_keys(signs, bands, rows, out)
    return out


def sets(hashes: NDArray[np.uint64], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The shingles of each text, sorted, each once.

    Returns:
        values: uint64; offsets: int64 (texts + 1,) into them.
    """
    values, ends = hashes.copy(), np.zeros(offsets.size, np.int64)
    size = _sets(values, offsets, ends)
    return values[:size], ends


def pairs(keys: NDArray[np.uint64], numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Links between numbers with equal keys: each to the least number of its key; each link once.

    Returns:
        least, other: int64, least < other.
    """
    by = np.lexsort((numbers, keys))
    key, number = keys[by], numbers[by]
    fresh = np.ones(key.size, bool)
    fresh[1:] = key[1:] != key[:-1]
    first = number[fresh][np.cumsum(fresh) - 1]
    some = first < number
    links = np.unique(np.stack([first[some], number[some]], axis=1), axis=0)
    return links[:, 0], links[:, 1]


def components(one: NDArray[np.int64], two: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Connected components of a graph given by its links.

    Returns:
        numbers: those that are in a link, ascending; labels: the least number of each one's component.
    """
    numbers = np.unique(np.concatenate([one, two]))
    parent = np.arange(numbers.size, dtype=np.int64)
    _union(np.searchsorted(numbers, one), np.searchsorted(numbers, two), parent)
    return numbers, numbers[parent]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found of each text.

    Args:
        cluster: int64, the number of the first text of its cluster.
        size: int64, texts in its cluster.
        kept: int64, number of the text that is kept in its place; -1 where it is kept itself.
        similarity: float64, exact similarity to that text; 0 where it is kept itself.
        compared: how many pairs were compared exactly.
    """

    cluster: NDArray[np.int64]
    size: NDArray[np.int64]
    kept: NDArray[np.int64]
    similarity: NDArray[np.float64]
    compared: int


def verify(
    groups: NDArray[np.int64],
    bands: NDArray[np.uint64],
    values: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    threshold: float,
    *,
    exact: bool = True,
) -> Verdict:
    """Clusters and keepers among texts that may be alike.

    Two texts are *alike* where they share a band and their exact similarity is at least the threshold. A cluster is a
    connected component of that. In each, going through the texts in order, one is kept unless it is alike with one
    kept before it; then the most similar of these (the first of equals) is kept in its place.

    Args:
        groups: int64 (texts,), ascending: texts of different groups share no band.
        bands: from `band_keys`.
        values, offsets: from `sets`.
        threshold: exact Jaccard similarity.
        exact: False makes each group a cluster of which the first text alone is kept, as most published tools do.
    """
    n = groups.size
    cluster, size = np.arange(n, dtype=np.int64), np.ones(n, np.int64)
    kept, similarity = np.full(n, -1, np.int64), np.zeros(n, np.float64)
    if n == 0:
        return Verdict(cluster, size, kept, similarity, 0)
    edges = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1], [True]]))
    compared = _verify(edges, bands, values, offsets, threshold, exact, cluster, kept, similarity)
    return Verdict(cluster, np.bincount(cluster, minlength=n)[cluster], kept, similarity, compared)


@kernel
def _band_keys(signs, bands, rows, out):
    for d in range(signs.shape[0]):
        for band in range(bands):
            key = np.uint64(band + 1)
            for k in range(band * rows, band * rows + rows):
                key = (key ^ np.uint64(signs[d, k])) * _BASE
                key ^= key >> _SHIFT
            key = (key ^ key >> _SHIFT) * _MIX1
            out[d, band] = key ^ key >> _SHIFT


@kernel
def _sets(values, offsets, ends):
    n = 0
    for d in range(offsets.size - 1):
        some = np.sort(values[offsets[d] : offsets[d + 1]])
        for i in range(some.size):
            if i == 0 or some[i] != some[i - 1]:
                values[n] = some[i]
                n += 1
        ends[d + 1] = n
    return n


@kernel
def _root(parent, x):
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@kernel
def _union(one, two, parent):
    for k in range(one.size):
        a, b = _root(parent, one[k]), _root(parent, two[k])
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b
    for x in range(parent.size):
        parent[x] = _root(parent, x)


@kernel
def _jaccard(values, offsets, a, b, least):
    """Exact similarity of two sets; -1 as soon as it cannot reach `least`."""
    i, last, j, end = offsets[a], offsets[a + 1], offsets[b], offsets[b + 1]
    one, two, shared = last - i, end - j, 0
    if one == 0 or two == 0:
        return -1.0
    need = least * (one + two) / (1.0 + least) - 1e-6
    while i < last and j < end:
        if shared + min(last - i, end - j) < need:
            return -1.0
        stop = min(64, last - i, end - j)
        for _ in range(stop):
            x, y = values[i], values[j]
            shared += np.int64(x == y)
            i += np.int64(x <= y)
            j += np.int64(y <= x)
    found = shared / (one + two - shared)
    return found if found >= least else -1.0


@kernel
def _meet(bands, a, b, below):
    """Whether two texts share a band whose number is less than `below`."""
    for band in range(below):
        if bands[a, band] == bands[b, band]:
            return True
    return False


@kernel
def _cluster(start, end, bands, values, offsets, threshold, parent):
    """Join texts that are alike; pairs that are joined already are not compared."""
    compared = 0
    if end - start == 2:
        if not _meet(bands, start, start + 1, bands.shape[1]):
            return 0
        if _jaccard(values, offsets, start, start + 1, threshold) >= 0:
            parent[start + 1] = start
        return 1
    for band in range(bands.shape[1]):
        order = np.argsort(bands[start:end, band], kind="mergesort") + start
        low = 0
        while low < order.size:
            high = low + 1
            while high < order.size and bands[order[high], band] == bands[order[low], band]:
                high += 1
            for at in range(low, high - 1):
                a, others = order[at], 0
                for to in range(low, high):
                    b = order[to]
                    if _root(parent, a) == _root(parent, b):
                        continue
                    others += 1
                    if to <= at or _meet(bands, a, b, band):
                        continue
                    compared += 1
                    if _jaccard(values, offsets, a, b, threshold) >= 0:
                        x, y = _root(parent, a), _root(parent, b)
                        parent[max(x, y)] = min(x, y)
                        others -= 1
                if others == 0:
                    break
            low = high
    for x in range(start, end):
        parent[x] = _root(parent, x)
    return compared


@kernel
def _keep(start, end, bands, values, offsets, threshold, cluster, kept, similarity):
    """Keep, in order, what is not alike with one kept before."""
    compared = 0
    order = np.argsort(cluster[start:end], kind="mergesort") + start
    keepers = np.empty(end - start, np.int64)
    many, width = 0, bands.shape[1]
    for at in range(order.size):
        x = order[at]
        if at == 0 or cluster[x] != cluster[order[at - 1]]:
            many = 0
        for k in range(many):
            y = keepers[k]
            if not _meet(bands, x, y, width):
                continue
            compared += 1
            found = _jaccard(values, offsets, y, x, max(threshold, similarity[x]))
            if found > similarity[x] or (found >= 0 and kept[x] < 0):
                kept[x], similarity[x] = y, found
        if kept[x] < 0:
            keepers[many] = x
            many += 1
    return compared


@kernel
def _first(start, end, values, offsets, cluster, kept, similarity):
    for x in range(start + 1, end):
        cluster[x], kept[x] = start, start
        similarity[x] = max(0.0, _jaccard(values, offsets, start, x, 0.0))


@kernel
def _verify(edges, bands, values, offsets, threshold, exact, cluster, kept, similarity):
    compared = 0
    for group in range(edges.size - 1):
        start, end = edges[group], edges[group + 1]
        if exact:
            compared += _cluster(start, end, bands, values, offsets, threshold, cluster)
            compared += _keep(start, end, bands, values, offsets, threshold, cluster, kept, similarity)
        else:
            compared += end - start - 1
            _first(start, end, values, offsets, cluster, kept, similarity)
    return compared


def nearest(
    keys: NDArray[np.uint64],
    values: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    index_keys: NDArray[np.uint64],
    index_texts: NDArray[np.int32],
    index_values: NDArray[np.uint64],
    index_offsets: NDArray[np.int64],
    threshold: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each text the most similar of an index that shares a band with it (the first of equals).

    Args:
        keys: from `band_keys`.
        values, offsets: from `sets`.
        index_keys: the index's band keys, ascending; index_texts: whose each is, ascending among equal keys.
        index_values, index_offsets: the index's sets.
        threshold: exact Jaccard similarity that must be reached.

    Returns:
        text of the index, -1 where none reaches the threshold; similarity, 0 there.
    """
    which, similarity = np.full(keys.shape[0], -1, np.int64), np.zeros(keys.shape[0], np.float64)
    _nearest(keys, values, offsets, index_keys, index_texts, index_values, index_offsets, threshold, which, similarity)
    return which, similarity


@kernel
def _jaccard_of(one, two, least):
    """`_jaccard` of two arrays."""
    i, j, shared = 0, 0, 0
    need = least * (one.size + two.size) / (1.0 + least) - 1e-6
    while i < one.size and j < two.size:
        if shared + min(one.size - i, two.size - j) < need:
            return -1.0
        x, y = one[i], two[j]
        shared += np.int64(x == y)
        i += np.int64(x <= y)
        j += np.int64(y <= x)
    found = shared / max(1, one.size + two.size - shared)
    return found if found >= least else -1.0


@kernel
def _nearest(keys, values, offsets, index_keys, index_texts, index_values, index_offsets, threshold, which, similarity):
    for d in range(keys.shape[0]):
        tried = set([np.int64(-1)])  # noqa: C405 (numba takes no set display here)
        one = values[offsets[d] : offsets[d + 1]]
        if one.size == 0:
            continue
        for band in range(keys.shape[1]):
            key = keys[d, band]
            at = np.searchsorted(index_keys, key)
            while at < index_keys.size and index_keys[at] == key:
                text = np.int64(index_texts[at])
                at += 1
                if text in tried:
                    continue
                tried.add(text)
                two = index_values[index_offsets[text] : index_offsets[text + 1]]
                found = _jaccard_of(one, two, threshold)
                if found > similarity[d] or (found >= 0 and found == similarity[d] and text < which[d]):
                    which[d], similarity[d] = text, found
