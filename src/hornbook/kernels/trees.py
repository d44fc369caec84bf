# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0913 (kernels are typed by what they are given)
"""Edit distance of ordered labelled trees, exactly, and the nearest of many trees.

The distance is the least number of nodes to be put in, taken out or renamed (Zhang and Shasha, SIAM J. Comput. 18,
1989), worked out over the left or the right paths of both trees, whichever is less work. Where it is only asked whether
it is at most k, parts that cannot belong to so few edits are left out (Touzet, CPM 2005). The nearest of many is found
by bounds from below: labels in common, then edits between the labels in postorder and in preorder (Guha et al., SIGMOD
2002) by Myers' bit vectors (Hyyrö 2003); no bound can hide a nearer tree. (The papers are cited from memory.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel, part

Ints = NDArray[np.int32]
NOT_LIKE = -1
"""No tree is so near."""
_ONE = np.uint64(1)
_NONE = np.uint64(0)


class Trees(NamedTuple):
    """Many trees, each node a number, in postorder; and again with right and left changed.

    Args:
        offsets: int64 (trees + 1,), where each tree's nodes begin.
        labels: int32 (nodes,). Equal labels are equal numbers.
        left: int32 (nodes,), the leftmost leaf below each node, as a place in its tree.
        roots: int32, the nodes that are no first child (keyroots), ascending, of one tree after the other.
        root_offsets: int64 (trees + 1,).
        work: int64 (trees,), sum of the sizes below the keyroots.
        mirrored: labels, left, roots, root_offsets, work of the mirrored trees.
    """

    offsets: NDArray[np.int64]
    labels: Ints
    left: Ints
    roots: Ints
    root_offsets: NDArray[np.int64]
    work: NDArray[np.int64]
    mirrored: tuple[Ints, Ints, Ints, NDArray[np.int64], NDArray[np.int64]]

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def size(self, tree: int) -> int:
        """Nodes of a tree."""
        return int(self.offsets[tree + 1] - self.offsets[tree])


class Common(NamedTuple):
    """Which trees have a label, and how often: `trees` and `counts` of label l are those from offsets[l] on."""

    offsets: NDArray[np.int64]
    trees: Ints
    counts: Ints


def trees(labels: Sequence[Sequence[int]], left: Sequence[Sequence[int]]) -> Trees:
    """Trees from their nodes in postorder.

    Args:
        labels: of each tree, the labels as numbers ≥ 0.
        left: of each tree, for every node the place of the leftmost leaf below it (itself for a leaf).
    """
    sizes = np.fromiter(map(len, labels), np.int64, len(labels))
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
    flat = np.fromiter((x for tree in labels for x in tree), np.int32, int(offsets[-1]))
    lefts = np.fromiter((x for tree in left for x in tree), np.int32, int(offsets[-1]))
    other, other_left = np.empty_like(flat), np.empty_like(lefts)
    _mirror(offsets, flat, lefts, other, other_left)
    roots, root_offsets, work = _paths(offsets, lefts)
    return Trees(offsets, flat, lefts, roots, root_offsets, work, (other, other_left, *_paths(offsets, other_left)))


def distances(one: Trees, other: Trees, pairs: NDArray[np.int64], most: int = 2**30) -> Ints:
    """Edit distances of pairs.

    Args:
        pairs: int64 (pairs, 2), numbers of a tree of `one` and a tree of `other`.
        most: distances above it may come out as any number above it.

    Returns:
        int32 (pairs,).
    """
    out = np.zeros(len(pairs), np.int32)
    _distances(one, other, pairs, most, out)
    return out


def common(among: Trees) -> Common:
    """What `nearest` needs to count labels in common with many trees at once."""
    tree = np.repeat(np.arange(len(among)), np.diff(among.offsets))
    width = max(len(among), 1)
    keys, counts = np.unique(among.labels.astype(np.int64) * width + tree, return_counts=True)
    highest = int(among.labels.max()) + 1 if among.labels.size else 1
    offsets = np.searchsorted(keys, np.arange(highest + 1) * width).astype(np.int64)
    return Common(offsets, (keys % width).astype(np.int32), counts.astype(np.int32))


def nearest(
    queries: Trees,
    among: Trees,
    shared: Common,
    floor: float,
    sequence: bool = False,
    apart: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], float] | None = None,
) -> tuple[Ints, Ints, NDArray[np.int64]]:
    """For each tree the one of `among` with the highest rate 1 - edits / nodes of the larger one.

    Args:
        floor: rates below it are not looked for.
        sequence: edits between the labels in preorder instead of the distance of trees.
        apart: only pairs are compared whose vectors' inner product is at least so much: (vectors of the queries,
            vectors, which of them belongs to each tree of `among`, least product).

    Returns:
        (number of the tree, of equally good ones the lower, or `NOT_LIKE`; edits; how often each step was
        done: pairs, pairs whose labels allow it, pairs whose orders were compared, pairs compared exactly).
    """
    which, edits = np.full(len(queries), NOT_LIKE, np.int32), np.zeros(len(queries), np.int32)
    steps = np.zeros(4, np.int64)
    if not len(queries) or not len(among):
        return which, edits, steps
    none = np.zeros((1, 0), np.float32)
    ours, theirs, owners, least = apart or (none, none, np.zeros(0, np.int32), -2.0)
    _nearest(
        queries,
        among,
        shared,
        _labels_of(queries, among),
        floor,
        sequence,
        ours,
        theirs,
        owners,
        least,
        which,
        edits,
        steps,
    )
    return which, edits, steps


def _labels_of(one: Trees, other: Trees) -> int:
    return 1 + max(int(some.labels.max()) if some.labels.size else 0 for some in (one, other))


def _paths(offsets: NDArray[np.int64], left: Ints) -> tuple[Ints, NDArray[np.int64], NDArray[np.int64]]:
    """(keyroots, their offsets, work) of trees."""
    place = np.arange(left.size, dtype=np.int64) - np.repeat(offsets[:-1], np.diff(offsets))
    tree = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    last = np.zeros(left.size, bool)
    _, again = np.unique((np.repeat(offsets[:-1], np.diff(offsets)) + left)[::-1], return_index=True)
    last[left.size - 1 - again] = True
    where = np.flatnonzero(last)
    roots = place[where].astype(np.int32)
    many = np.bincount(tree[where], minlength=offsets.size - 1)
    work = np.bincount(tree[where], weights=place[where] - left[where] + 1, minlength=offsets.size - 1)
    return roots, np.append(0, np.cumsum(many)).astype(np.int64), work.astype(np.int64)


@kernel
def _mirror(offsets, labels, left, other, other_left):
    """The same trees from right to left: a node's place there counts those behind it in preorder."""
    for t in range(offsets.size - 1):
        base, n = offsets[t], offsets[t + 1] - offsets[t]
        above, depth = np.empty(n, np.int32), 0
        for i in range(n - 1, -1, -1):
            while depth and left[base + above[depth - 1]] > i:
                depth -= 1
            at = n - 1 - (left[base + i] + depth)
            other[base + at] = labels[base + i]
            other_left[base + at] = at - (i - left[base + i])
            above[depth] = i
            depth += 1


@part
def _edits(a, al, ak, b, bl, bk, most, whole, forest):
    """Edits between two trees, or some number above `most`. `whole` and `forest` are room to work in."""
    n, m = a.size, b.size
    far = most + 1
    if abs(n - m) > most:
        return far
    for i in range(n):
        for j in range(m):
            whole[i, j] = far
    for x in ak:
        i0 = al[x]
        for y in bk:
            j0 = bl[y]
            band = most - abs(i0 - j0)
            if band < 0:
                continue
            cols = y - j0 + 1
            for q in range(min(cols, band) + 1):
                forest[0, q] = q
            for p in range(1, x - i0 + 2):
                i = i0 + p - 1
                low, high = max(1, p - band), min(cols, p + band)
                if low > high:
                    break
                forest[p, low - 1] = p if p <= band else far
                above, before = forest[p - 1, low - 1], forest[p, low - 1]
                chain, p0 = al[i] == i0, al[i] - i0
                for q in range(low, high + 1):
                    j = j0 + q - 1
                    over = forest[p - 1, q] if q <= p - 1 + band else far
                    least = min(over, before) + 1
                    if chain and bl[j] == j0:
                        least = min(least, above + (a[i] != b[j]))
                        whole[i, j] = least
                    else:
                        q0 = bl[j] - j0
                        if abs(p0 - q0) <= band:
                            least = min(least, forest[p0, q0] + whole[i, j])
                    forest[p, q] = least
                    above, before = over, least
    return whole[n - 1, m - 1]


@part
def _exact(one, s, other, t, most, whole, forest):
    """Edits over the left paths of both trees or over the right ones, whichever have less to do."""
    labels, left, roots, root_offsets, work = one.mirrored
    labels2, left2, roots2, root_offsets2, work2 = other.mirrored
    if one.work[s] * other.work[t] <= work[s] * work2[t]:
        labels, left, roots, root_offsets = one.labels, one.left, one.roots, one.root_offsets
        labels2, left2, roots2, root_offsets2 = other.labels, other.left, other.roots, other.root_offsets
    a0, a1, b0, b1 = one.offsets[s], one.offsets[s + 1], other.offsets[t], other.offsets[t + 1]
    ak, bk = roots[root_offsets[s] : root_offsets[s + 1]], roots2[root_offsets2[t] : root_offsets2[t + 1]]
    return _edits(labels[a0:a1], left[a0:a1], ak, labels2[b0:b1], left2[b0:b1], bk, most, whole, forest)


@part
def _spell(word, slots, places):
    """Where each label stands in a word, as bits; `slots` says which row of `places` is a label's, 0 for none."""
    many = 0
    for i in range(word.size):
        label = word[i]
        if slots[label] == 0:
            many += 1
            slots[label] = many
            places[many, :] = _NONE
        places[slots[label], i >> 6] |= _ONE << np.uint64(i & 63)


@part
def _unspell(word, slots):
    for i in range(word.size):
        slots[word[i]] = 0


@part
def _between(size, slots, places, text, up, down):
    """Edits between a word of `size` labels that was spelled and a text (Myers 1999, in blocks by Hyyrö 2003)."""
    blocks = (size + 63) >> 6
    for w in range(blocks):
        up[w], down[w] = ~_NONE, _NONE
    high, score = np.uint64((size - 1) & 63), size
    for i in range(text.size):
        slot, carry = slots[text[i]], np.int64(1)
        for w in range(blocks):
            eq, pv, mv = places[slot, w], up[w], down[w]
            xv = eq | mv
            if carry < 0:
                eq |= _ONE
            xh = (((eq & pv) + pv) ^ pv) | eq
            ph, mh = mv | ~(xh | pv), pv & xh
            bit = high if w == blocks - 1 else np.uint64(63)
            out = np.int64((ph >> bit) & _ONE) - np.int64((mh >> bit) & _ONE)
            ph, mh = ph << _ONE, mh << _ONE
            if carry < 0:
                mh |= _ONE
            elif carry > 0:
                ph |= _ONE
            up[w], down[w] = mh | ~(xv | ph), ph & xv
            carry = out
        score += carry
    return score


@kernel
def _distances(one, other, pairs, most, out):
    n, m = np.max(np.diff(one.offsets)), np.max(np.diff(other.offsets))
    whole, forest = np.empty((n, m), np.int32), np.empty((n + 1, m + 2), np.int32)
    for p in range(len(pairs)):
        s, t = pairs[p, 0], pairs[p, 1]
        larger = max(one.offsets[s + 1] - one.offsets[s], other.offsets[t + 1] - other.offsets[t])
        out[p] = _exact(one, s, other, t, min(most, larger), whole, forest)


@part
def _product(one, other):
    total = 0.0
    for d in range(one.size):
        total += np.float64(one[d]) * np.float64(other[d])
    return np.round(total, 6)


@part
def _shared(word, shared, counts, overlap):
    """Labels in common with each tree, counted as often as both have them."""
    overlap[:] = 0
    for i in range(word.size):
        counts[word[i]] += 1
    for i in range(word.size):
        label, many = word[i], counts[word[i]]
        if many and label < shared.offsets.size - 1:
            for k in range(shared.offsets[label], shared.offsets[label + 1]):
                overlap[shared.trees[k]] += min(many, shared.counts[k])
        counts[label] = 0


@part
def _possible(n, among, overlap, floor, vector, vectors, owners, least, some, bounds, steps):
    """Which trees can be near enough to one of n nodes, by the labels in common and the vectors; how many."""
    found = 0
    for t in range(overlap.size):
        larger = max(n, among.offsets[t + 1] - among.offsets[t])
        bound = larger - overlap[t]
        if bound <= np.floor((1.0 - floor) * larger + 1e-9):
            steps[1] += 1
            if vectors.size == 0 or _product(vector, vectors[owners[t]]) >= least:
                some[found], bounds[found] = t, bound
                found += 1
    steps[0] += overlap.size
    steps[2] += found
    return found


@kernel
def _nearest(queries, among, shared, labels, floor, sequence, ours, theirs, owners, least, which, edits, steps):
    many, longest = among.offsets.size - 1, np.max(np.diff(queries.offsets))
    blocks = max((longest + 63) >> 6, 1)
    counts, overlap = np.zeros(labels, np.int32), np.zeros(many, np.int32)
    slots, other_slots = np.zeros(labels, np.int32), np.zeros(labels, np.int32)
    places, other_places = np.zeros((longest + 1, blocks), np.uint64), np.zeros((longest + 1, blocks), np.uint64)
    up, down = np.empty(blocks, np.uint64), np.empty(blocks, np.uint64)
    room = np.max(np.diff(among.offsets))
    whole, forest = np.empty((longest, room), np.int32), np.empty((longest + 1, room + 2), np.int32)
    some, bounds = np.empty(many, np.int64), np.empty(many, np.int64)
    for s in range(queries.offsets.size - 1):
        a0, a1 = queries.offsets[s], queries.offsets[s + 1]
        word, other_word, n = queries.labels[a0:a1], queries.mirrored[0][a0:a1], a1 - a0
        _shared(word, shared, counts, overlap)
        vector = ours[min(s, len(ours) - 1)]
        found = _possible(n, among, overlap, floor, vector, theirs, owners, least, some, bounds, steps)
        if not found:
            continue
        _spell(word, slots, places)
        _spell(other_word, other_slots, other_places)
        share = np.empty(found, np.float64)
        for c in range(found):
            t = some[c]
            b0, b1 = among.offsets[t], among.offsets[t + 1]
            after = _between(n, other_slots, other_places, among.mirrored[0][b0:b1], up, down)
            if sequence:
                bounds[c] = after
            else:
                before = _between(n, slots, places, among.labels[b0:b1], up, down)
                bounds[c] = max(bounds[c], before, after)
            share[c] = bounds[c] / max(n, b1 - b0)
        _unspell(word, slots)
        _unspell(other_word, other_slots)
        best, size = np.int64(0), np.int64(0)
        for c in np.argsort(share, kind="mergesort"):
            t = some[c]
            larger = max(n, among.offsets[t + 1] - among.offsets[t])
            most = np.int64(np.floor((1.0 - floor) * larger + 1e-9))
            if size:
                most = min(most, best * larger // size)
                if bounds[c] * size > best * larger:
                    break
            if bounds[c] > most:
                continue
            exact = bounds[c]
            if not sequence:
                exact = np.int64(_exact(queries, s, among, t, most, whole, forest))
            steps[3] += 1
            if exact > most:
                continue
            if size == 0 or exact * size < best * larger or t < which[s]:
                best, size, which[s], edits[s] = exact, larger, t, exact
