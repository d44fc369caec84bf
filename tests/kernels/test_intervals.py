"""Intervals hold the truth as often as they say, also where rows come in clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hornbook.kernels.intervals import BUCKETS, bootstrapped, bucket, clustered, share, student, wilson


def rate(cover: list[bool]) -> float:
    return sum(cover) / len(cover)


def groups_of(values: np.ndarray) -> dict[str, list[float]]:
    """(clusters, rows) → what `clustered` takes."""
    return {str(at): [row.size, float(row.sum())] for at, row in enumerate(values)}


def test_the_interval_of_clustered_rows_holds_the_truth():
    """50 prompts, 10 texts each, most of the spread between prompts: the naive interval would be 3 times too small."""
    draw = np.random.default_rng(1)
    held, naive = [], []
    for _ in range(600):
        values = 5 + draw.normal(0, 1, (50, 1)) + draw.normal(0, 0.5, (50, 10))
        mean, interval, error = clustered(groups_of(values))
        held.append(interval[0] <= 5 <= interval[1])
        naive.append(abs(mean - 5) <= 1.96 * values.std() / values.size**0.5)
        assert error > 0
    assert 0.92 < rate(held) < 0.98
    assert rate(naive) < 0.7


def test_a_share_of_clusters_holds_the_truth_and_is_never_empty():
    draw = np.random.default_rng(2)
    held = []
    for _ in range(600):
        wins = draw.choice([0.0, 0.5, 1.0], (40, 1), p=[0.2, 0.2, 0.6])
        low, high = share(groups_of(wins))[1]
        held.append(low <= 0.7 <= high)
    assert 0.92 < rate(held) <= 1.0
    assert share({"a": [5, 5.0]})[1][0] < 0.9
    mean, (low, high) = share({str(n): [1, 1.0] for n in range(5)})
    assert (mean, high) == (1.0, 1.0)
    assert low == pytest.approx(0.5655, abs=1e-3), "five of five: Wilson's, not [1, 1]"
    mean, (low, high) = share({str(n): [1, 0.5] for n in range(10)})
    assert low < 0.3, "ten ties prove no tie"
    assert high > 0.7
    assert share({}) == (None, None)


def test_one_cluster_tells_no_interval():
    assert clustered({"a": [10, 42.0]}) == (4.2, None, None)
    assert clustered({}) == (None, None, None)


@pytest.mark.parametrize("freedom", [2, 3, 5, 10, 49, 1000])
def test_students_quantile(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_wilson_is_the_known_one():
    found = stats.binomtest(7, 20).proportion_ci(method="wilson")
    assert wilson(7 / 20, 20) == pytest.approx((found.low, found.high))
    assert wilson(0.5, 0) == (0.0, 1.0)


def test_drawing_rows_again_holds_the_truth():
    draw = np.random.default_rng(3)
    held = []
    for _ in range(200):
        low, high = bootstrapped(draw.normal(1, 2, 60), draws=400)
        held.append(low <= 1 <= high)
    assert 0.88 < rate(held) < 0.99
    assert bootstrapped(np.array([1.0])) is None
    assert bootstrapped(draw.normal(1, 2, 60), seed=1) != bootstrapped(draw.normal(1, 2, 60), seed=2)


def test_buckets_are_bounded_and_stable():
    assert bucket("a prompt") == bucket("a prompt")
    assert {bucket(f"p{n}") for n in range(20_000)} == set(range(BUCKETS))
    assert 0 <= bucket("\ud800 lone") < BUCKETS
