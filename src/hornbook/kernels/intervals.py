"""95 % intervals of means and shares whose rows come in clusters (several texts to one prompt)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
BUCKETS = 1024
"""Clusters are counted by a hash into so many: memory is bounded, and clusters that meet in one only make an
interval a little less sure of itself."""
Interval = tuple[float, float]


def bucket(text: str) -> int:
    """The bucket of a cluster's name."""
    from xxhash import xxh3_64_intdigest

    return int(xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) % BUCKETS)


def clustered(groups: Mapping[str, Sequence[float]]) -> tuple[float | None, Interval | None, float | None]:
    """(mean, its interval, its standard error) of rows in clusters: a ratio with a cluster-robust error, Student's t.

    As the sandwich estimator of Liang and Zeger (Biometrika 1986) with the correction clusters / (clusters - 1).

    Args:
        groups: cluster → (number of rows, sum of their values).

    Returns:
        None for the mean where there is no row, for the others where there are fewer than two clusters.
    """
    if not groups:
        return None, None, None
    sizes, sums = (np.array(column, dtype=np.float64) for column in zip(*groups.values(), strict=True))
    mean = float(sums.sum() / sizes.sum())
    many = len(groups)
    if many < 2:
        return mean, None, None
    spread = float(((sums - mean * sizes) ** 2).sum()) * many / (many - 1)
    error = math.sqrt(spread) / float(sizes.sum())
    half = student(many - 1) * error
    return mean, (mean - half, mean + half), error


def share(groups: Mapping[str, Sequence[float]]) -> tuple[float | None, Interval | None]:
    """(mean, interval) of values between 0 and 1: Wilson's, with as many rows as the clusters are worth.

    It is never empty: five wins of five are no proof of a sixth.
    """
    mean, _, error = clustered(groups)
    if mean is None:
        return None, None
    rows = float(sum(size for size, _ in groups.values()))
    worth = rows if not error else min(rows, mean * (1 - mean) / error**2)
    return mean, wilson(mean, min(rows, max(worth, 1.0)))


def wilson(mean: float, rows: float) -> Interval:
    """Wilson's interval (JASA 1927) of a share seen in so many rows."""
    if rows <= 0:
        return 0.0, 1.0
    square = Z * Z
    middle = (mean + square / (2 * rows)) / (1 + square / rows)
    half = Z * math.sqrt(max(0.0, mean * (1 - mean)) / rows + square / (4 * rows**2)) / (1 + square / rows)
    low = 0.0 if mean <= 0 else max(0.0, middle - half)
    return low, 1.0 if mean >= 1 else min(1.0, middle + half)


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: Cornish-Fisher's expansion (Abramowitz and Stegun 26.7.5), 1 % off at 2."""
    if freedom <= 1:
        return 12.706
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(float(term) / float(freedom) ** power for power, term in enumerate(terms, 1))


def bootstrapped(values: NDArray[np.float64], seed: int = 0, draws: int = 2000) -> Interval | None:
    """The 95 % interval of a mean by drawing rows again (percentiles; Efron 1979); None of fewer than two rows.

    Args:
        values: (rows,), one a cluster: where prompts had several values, their means.
    """
    if values.size < 2:
        return None
    draw = np.random.default_rng(seed)
    means = np.empty(draws)
    for at in range(draws):
        means[at] = values[draw.integers(0, values.size, values.size)].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
