from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.minhash import signatures
from hornbook.kernels.near import band_keys, components, nearest, pairs, sets, verify

LINKS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)
SETS = st.lists(st.frozensets(st.integers(0, 12), max_size=9), min_size=1, max_size=16)


def lists(many: list[frozenset[int]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for some in many for value in sorted(some, reverse=True) * 2], np.uint64)
    return sets(values, np.cumsum([0, *(2 * len(some) for some in many)]).astype(np.int64))


def jaccard(one: frozenset[int], two: frozenset[int]) -> float:
    return len(one & two) / len(one | two) if one and two else -1.0


@settings(deadline=None)
@given(LINKS)
def test_components_are_those_of_walking_the_graph(links: list[tuple[int, int]]) -> None:
    one, two = (np.array([link[k] for link in links], np.int64) for k in (0, 1))
    numbers, labels = components(one, two)
    reach = {n: {n} for link in links for n in link}
    for _ in reach:
        for a, b in links:
            reach[a] |= reach[b]
            reach[b] |= reach[a]
    assert dict(zip(numbers.tolist(), labels.tolist(), strict=True)) == {n: min(some) for n, some in reach.items()}


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_pairs_link_equal_keys_to_the_first(keys: list[int]) -> None:
    least, other = pairs(np.array(keys, np.uint64), np.arange(len(keys)))
    expected = {(keys.index(key), at) for at, key in enumerate(keys) if keys.index(key) < at}
    assert set(zip(least.tolist(), other.tolist(), strict=True)) == expected
    assert least.size == len(expected)


@settings(deadline=None, max_examples=150)
@given(SETS, st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.integers(1, 3), st.data())
def test_verify_is_brute_force_over_texts_that_share_a_band(many, threshold, width, data) -> None:
    n = len(many)
    drawn = data.draw(st.lists(st.lists(st.integers(0, 2), min_size=width, max_size=width), min_size=n, max_size=n))
    bands = np.array(drawn, np.uint64)
    values, offsets = lists(many)
    found = verify(np.zeros(n, np.int64), bands, values, offsets, threshold)
    alike = {
        (a, b): jaccard(many[a], many[b])
        for a, b in combinations(range(n), 2)
        if (bands[a] == bands[b]).any() and jaccard(many[a], many[b]) >= threshold
    }
    home = list(range(n))
    for a, b in alike:
        old, new = max(home[a], home[b]), min(home[a], home[b])
        home = [new if where == old else where for where in home]
    assert found.cluster.tolist() == home
    assert found.size.tolist() == [home.count(where) for where in home]
    kept: list[int] = []
    for at in range(n):
        near = [(alike[k, at], -k) for k in kept if (k, at) in alike]
        expected = -max(near)[1] if near else -1
        assert found.kept[at] == expected
        assert found.similarity[at] == pytest.approx(max(near)[0] if near else 0.0)
        if not near:
            kept.append(at)


@settings(deadline=None, max_examples=100)
@given(SETS, SETS, st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_nearest_is_the_most_similar_that_shares_a_band(old, new, threshold) -> None:
    keys = []
    parts = []
    for many in (old, new):
        values, offsets = lists(many)
        parts.append((values, offsets))
        keys.append(band_keys(signatures(values << np.uint64(40), offsets, 8), 8, 1))
    flat, texts = keys[0].reshape(-1), np.repeat(np.arange(len(old)), 8).astype(np.int32)
    order = np.lexsort((texts, flat))
    which, similarity = nearest(keys[1], *parts[1], flat[order], texts[order], *parts[0], threshold)
    for at, some in enumerate(new):
        shared = [k for k in range(len(old)) if (keys[0][k] == keys[1][at]).any() and some and old[k]]
        near = [(jaccard(some, old[k]), -k) for k in shared if jaccard(some, old[k]) >= threshold]
        assert which[at] == (-max(near)[1] if near else -1)
        assert similarity[at] == pytest.approx(max(near)[0] if near else 0.0)


def test_a_hundred_thousand_equal_texts_take_no_quadratic_time() -> None:
    n = 100_000
    values, offsets = np.tile(np.arange(3, dtype=np.uint64), n), np.arange(0, 3 * n + 1, 3)
    found = verify(np.zeros(n, np.int64), np.ones((n, 4), np.uint64), values, offsets, 0.7)
    assert found.compared < 3 * n
    assert (found.kept[1:] == 0).all()
