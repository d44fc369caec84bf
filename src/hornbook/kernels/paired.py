"""Means over few runs, and differences paired by run: Student's t, and the exact sign-flip test where runs suffice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

FLIPS = 8
"""Runs from which signs are flipped: the least p is then 2/256, below 0.01; of fewer no result could be told."""
MANY = 16
"""Runs up to which all sign patterns are looked at; beyond, Student's t is as good and is taken."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over runs.

    Args:
        mean: it.
        interval: 95 %, by Student's t; None of one run.
        deviation: standard deviation of the runs; None of one run.
        runs: how many.
    """

    mean: float
    interval: Interval | None
    deviation: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference of pairs of runs.

    Args:
        mean: of the differences, second less first.
        interval: 95 %, by Student's t; None of one pair.
        p: two-sided, that a difference so large comes by chance; None of one pair.
        test: `paired t` or `sign flips`; empty of one pair.
        pairs: how many.
    """

    mean: float
    interval: Interval | None
    p: float | None
    test: str
    pairs: int


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of runs and its interval.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no runs")
    found = np.asarray(values, np.float64)
    middle, many = float(found.mean()), len(found)
    if many < 2:
        return Mean(middle, None, None, many)
    spread = float(found.std(ddof=1))
    half = t_quantile(0.975, many - 1) * spread / math.sqrt(many)
    return Mean(middle, (middle - half, middle + half), spread, many)


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """What the second of each pair has more than the first.

    Up to 7 pairs by the paired t test (Student 1908), which takes the differences for normal: with n pairs a sign-flip
    test (Fisher 1935) can give no p below 2 / 2^n, which is 0.25 for three. From 8 to 16 pairs all signs are flipped,
    which takes nothing for granted but that either sign is as likely; beyond, the t test again. Pairs that all differ
    by the same, rounding apart, give no p: a spread of zero over few runs proves nothing but that they were the same.

    Raises:
        ValueError: they are not of one length, or empty.
    """
    gaps = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if not len(gaps):
        raise ValueError("no pairs")
    found = mean_of(gaps.tolist())
    if found.runs < 2 or found.deviation is None:
        return Difference(found.mean, None, None, "", found.runs)
    scale = max(abs(float(v)) for v in (*first, *second))
    if found.deviation <= 1e-12 * scale:
        same = abs(found.mean) <= 1e-12 * scale
        return Difference(found.mean, found.interval, 1.0 if same else None, "", found.runs)
    if FLIPS <= found.runs <= MANY:
        return Difference(found.mean, found.interval, _flipped(gaps), "sign flips", found.runs)
    t = found.mean / (found.deviation / math.sqrt(found.runs))
    return Difference(found.mean, found.interval, t_tail(t, found.runs - 1), "paired t", found.runs)


def _flipped(gaps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Share of all sign patterns whose sum is at least as far from zero."""
    signs = np.array(list(product((1.0, -1.0), repeat=len(gaps) - 1)))
    sums = np.abs(signs @ gaps[1:] + gaps[0])  # the other half are their negatives
    return float((sums >= abs(float(gaps.sum())) * (1 - 1e-12)).mean())


def holm(values: Sequence[float]) -> list[float]:
    """p values adjusted so that the chance of one false alarm among them all is kept (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    adjusted = [0.0] * len(values)
    worst = 0.0
    for rank, at in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = worst
    return adjusted


def t_tail(t: float, freedom: int) -> float:
    """Two-sided tail of Student's t: the regularised incomplete beta function I(v/(v + t²); v/2, 1/2)."""
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def t_quantile(share: float, freedom: int) -> float:
    """The value below which a share (above 1/2) of Student's t lies, by halving."""
    low, high = 0.0, 1.0
    while t_tail(high, freedom) / 2 > 1 - share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) / 2 > 1 - share else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (DLMF 8.17.22, its continued fraction by Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            c, d = 1 + term / c, 1 / (1 + term * d)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value
