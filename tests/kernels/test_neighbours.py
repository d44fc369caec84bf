from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.embedders import unit
from hornbook.kernels.neighbours import neighbours, rotated


def vectors(rows: int, size: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(rows, size)))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_neighbours_are_those_of_brute_force(queries, among, count, seed):
    one, two = vectors(queries, 6, seed), vectors(among, 6, seed + 1)
    which, near = neighbours(one, two, count)
    every = one @ two.T
    assert which.shape == near.shape == (queries, min(count, among))
    assert np.allclose(near, -np.sort(-every, axis=1)[:, :count], atol=1e-6)
    assert np.allclose(np.take_along_axis(every, which, 1), near, atol=1e-6)
    assert all(len(set(row)) == len(row) for row in which.tolist())


def test_neighbours_do_not_hang_on_what_stands_beside():
    one, two = vectors(300, 32), vectors(500, 32, 1)
    which, near = neighbours(one, two, 10)
    parts = [neighbours(one[at : at + 7], two, 10) for at in range(0, 300, 7)]
    assert np.array_equal(np.concatenate([part[0] for part in parts]), which)
    assert np.array_equal(np.concatenate([part[1] for part in parts]), near)


def test_of_equal_neighbours_the_first_comes_first():
    one = np.ones((1, 1), np.float32)
    assert neighbours(one, np.ones((9, 1), np.float32), 4)[0].tolist() == [[0, 1, 2, 3]]


def test_equal_vectors_have_equal_neighbours_wherever_they_stand():
    among = np.concatenate([vectors(70, 8, 2)] * 3)
    which, near = neighbours(np.repeat(vectors(1, 8), 200, axis=0), among, 7)
    assert np.unique(which, axis=0).shape == (1, 7)
    assert np.unique(near, axis=0).shape == (1, 7)
    first = which[0].reshape(-1)
    assert first[0] < 70, "of three equal ones the first"
    assert near[0, 0] == near[0, 1] == near[0, 2]


def test_a_rotation_is_a_product_whatever_stands_beside():
    one, mean, basis = vectors(40, 12), vectors(1, 12, 1)[0], vectors(12, 5, 2)
    whole = rotated(one, mean, basis)
    assert np.allclose(whole, (one - mean) @ basis, atol=1e-6)
    assert np.array_equal(np.concatenate([rotated(one[at : at + 3], mean, basis) for at in range(0, 40, 3)]), whole)
