"""Student's t and sign flips, against numbers worked out elsewhere and against what they mean."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.paired import holm, mean_of, paired, t_quantile, t_tail


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062047364), (2, 4.3026527297), (4, 2.7764451052), (10, 2.2281388520), (120, 1.9799304051)],
)
def test_quantiles_are_those_of_the_tables(freedom, quantile):
    """SciPy 1.17.1, `scipy.stats.t.ppf(0.975, freedom)`."""
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-9)
    assert t_tail(quantile, freedom) == pytest.approx(0.05, rel=1e-8)


def test_a_tail_of_one_degree_is_cauchys():
    for t in (0.0, 0.3, 1.0, 7.0, 1e3):
        assert t_tail(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, abs=1e-12)


def test_three_pairs_as_scipy_says():
    """SciPy 1.17.1, `scipy.stats.ttest_rel([2, 3.1, 4.2], [1, 2, 3])`."""
    found = paired([1, 2, 3], [2, 3.1, 4.2])
    assert (found.mean, found.p, found.test, found.pairs) == (
        pytest.approx(1.1), pytest.approx(0.0027434893944259), "paired t", 3,
    )  # fmt: skip
    assert found.interval == (pytest.approx(0.851586228825), pytest.approx(1.348413771175))


def test_eight_pairs_flip_signs():
    """All gaps above zero: of 256 patterns two are as far from zero."""
    first = list(range(8))
    found = paired(first, [n + 1 + 0.1 * n for n in first])
    assert (found.test, found.p) == ("sign flips", 2 / 256)
    even = paired(first, [n + (-1) ** n * (1 + n // 2) for n in first])
    assert even.p == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=8, max_size=9))
def test_flipping_is_what_it_says(gaps):
    """Against every pattern, one by one; whole numbers, so that sums are exact."""
    found = paired([0.0] * len(gaps), [float(gap) for gap in gaps])
    if len(set(gaps)) == 1:
        assert found.p == (1.0 if gaps[0] == 0 else None)
        return
    sums = [abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True))) for signs in _patterns(len(gaps))]
    assert found.p == sum(one >= abs(sum(gaps)) for one in sums) / len(sums)


def _patterns(many):
    return product((1, -1), repeat=many)


def test_too_few_or_all_alike_give_no_p():
    assert paired([1.0], [2.0]).p is None
    assert paired([1.0], [2.0]).interval is None
    assert paired([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]).p is None
    assert paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).p == 1.0
    with pytest.raises(ValueError, match="no runs"):
        mean_of([])


def test_intervals_cover():
    """Of 400 means of three normal draws, 95 % intervals hold the truth in 95 % (four standard errors of play)."""
    draws = np.random.default_rng(5).normal(3.0, 2.0, (400, 3))
    ends = [mean_of(row.tolist()).interval for row in draws]
    share = np.mean([low <= 3.0 <= high for low, high in ends])
    assert abs(share - 0.95) < 4 * math.sqrt(0.95 * 0.05 / len(ends))


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
