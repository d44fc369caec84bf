"""Coefficients of agreement against published worked examples, another library, and their own laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from hornbook.kernels.agreement import agreeing, alpha, cohen, coincidences, contingency, fleiss

RATINGS = st.integers(2, 6).flatmap(
    lambda size: st.tuples(st.just(size), st.lists(st.tuples(*[st.integers(0, size - 1)] * 2), min_size=2, max_size=60))
)


def test_fleiss_on_the_worked_example():
    """14 raters, 10 subjects, 5 categories: κ = 0.210 (en.wikipedia.org/wiki/Fleiss%27_kappa, "Worked example")."""
    counts = np.array(
        [
            [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
        ],
        dtype=np.float64,
    )  # fmt: skip
    shares = agreeing(counts)
    assert shares[0] == 1.0
    assert shares[1] == pytest.approx(0.253, abs=5e-4)
    assert fleiss(shares.mean(), counts.sum(0)) == pytest.approx(0.210, abs=5e-4)


def test_alpha_on_the_worked_example():
    """4 observers, 12 units, some missing: nominal 0.743, interval 0.849.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), the example with missing data.
    """
    o = -1
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, o, o, o],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, o, 3],
        [o, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, o],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, o],
    ]
    ratings = np.array([[value - 1 if value > 0 else o for value in row] for row in observers]).T
    pairs = coincidences(ratings, 5)
    assert pairs.sum() == pytest.approx(40)
    assert alpha(pairs) == pytest.approx(0.743, abs=5e-4)
    assert alpha(pairs, "quadratic") == pytest.approx(0.849, abs=5e-4)


@pytest.mark.parametrize(("weights", "theirs"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")])
@given(RATINGS)
def test_cohen_is_scikit_learns(weights, theirs, drawn):
    size, pairs = drawn
    one, two = np.array(pairs).T
    if len(set(one.tolist()) | set(two.tolist())) < 2:
        assert cohen(contingency(one, two, size), weights) is None, "all the same: chance alone agrees"
        return
    known = cohen_kappa_score(one, two, labels=list(range(size)), weights=theirs)
    assert cohen(contingency(one, two, size), weights) == pytest.approx(known)


@given(RATINGS)
def test_two_raters_without_gaps_alpha_and_fleiss_are_near(drawn):
    """α corrects chance for the size of the sample: 1 - α = (1 - κ_Fleiss) (n - 1) / n with n ratings."""
    size, pairs = drawn
    ratings = np.array(pairs)
    counts = np.stack([(ratings == value).sum(1) for value in range(size)], 1).astype(float)
    kappa, found = fleiss(agreeing(counts).mean(), counts.sum(0)), alpha(coincidences(ratings, size))
    if kappa is None:
        assert found is None
    else:
        assert 1 - found == pytest.approx((1 - kappa) * (ratings.size - 1) / ratings.size)


@given(RATINGS)
def test_tables_of_pieces_add_up(drawn):
    size, pairs = drawn
    ratings = np.array(pairs)
    half = len(pairs) // 2
    some = (ratings[:half], ratings[half:])
    assert sum(coincidences(part, size) for part in some) == pytest.approx(coincidences(ratings, size))
    whole = contingency(*ratings.T, size)
    assert (sum(contingency(*part.T, size) for part in some) == whole).all()


def test_missing_ratings_count_for_nothing():
    one, two = np.array([0, 1, -1, 1]), np.array([0, -1, 1, 0])
    assert contingency(one, two, 2).tolist() == [[1, 0], [1, 0]]
    assert cohen(np.zeros((3, 3))) is None
    assert fleiss(0.5, np.zeros(3)) is None
    assert alpha(np.zeros((3, 3))) is None
    assert coincidences(np.array([[1, -1], [-1, -1]]), 2).sum() == 0


def test_a_raters_whim_is_worth_nothing_and_a_rule_is_worth_all():
    draw = np.random.default_rng(0)
    one, two = draw.integers(0, 5, 20_000), draw.integers(0, 5, 20_000)
    assert abs(cohen(contingency(one, two, 5))) < 0.02
    assert cohen(contingency(one, one, 5), "quadratic") == 1.0
    near = np.clip(one + draw.integers(-1, 2, one.size), 0, 4)
    table = contingency(one, near, 5)
    assert cohen(table, "quadratic") > cohen(table, "linear") > cohen(table), "near misses cost less"
