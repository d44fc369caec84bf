"""From scores to facts: what adds up piece by piece, and what is said of it, agreement beside every mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.core.keys import finite
from hornbook.kernels import agreement
from hornbook.kernels.intervals import clustered
from hornbook.stages.evaluate._rubrics import Criterion

ONE_READING = "not measured: one reading (judges: 1)"


def categories(criterion: Criterion, readings: Sequence[Sequence[float | None] | None], many: int) -> NDArray[np.int64]:
    """int64 (rows, readings): which value of the scale each reading said, from 0; -1 where it said none.

    A judge that is not bound may say 7.5: it counts as the nearest whole, halves as the even one.
    """
    found = np.full((len(readings), many), -1, np.int64)
    for row, some in enumerate(readings):
        for at, value in enumerate((some or ())[:many]):
            if value is not None:
                found[row, at] = round(value) - criterion.values[0]
    return found


def counted(
    criterion: Criterion,
    scores: Sequence[float | None],
    readings: Sequence[Sequence[float | None] | None],
    clusters: Sequence[int | None],
    many: int,
) -> dict[str, Any]:
    """What a piece tells of one criterion, as numbers that can be added to those of other pieces.

    Args:
        criterion: what was scored.
        scores: means over the readings, None where all failed.
        readings: each reading's score.
        clusters: which bucket the row's prompt is in; None where the row was not asked about.
        many: readings a row.
    """
    size = len(criterion.values)
    groups: dict[str, list[float]] = {}
    asked = 0
    for score, cluster in zip(scores, clusters, strict=True):
        asked += cluster is not None
        if score is not None:
            group = groups.setdefault(str(cluster), [0, 0.0])
            group[0] += 1
            group[1] += score
    found = categories(criterion, readings, many)
    sums: dict[str, Any] = {
        "asked": asked,
        "groups": groups,
        "said": [np.bincount(column[column >= 0], minlength=size).tolist() for column in found.T],
    }
    if many > 1:
        pairs = combinations(range(many), 2)
        sums["tables"] = [agreement.contingency(found[:, a], found[:, b], size).ravel().tolist() for a, b in pairs]
        sums["coincidences"] = agreement.coincidences(found, size).ravel().tolist()
        whole = found[(found >= 0).all(1)]
        counts = np.stack([np.bincount(row, minlength=size) for row in whole]) if len(whole) else np.zeros((0, size))
        shares = agreement.agreeing(counts.astype(np.float64))
        sums |= {"whole": len(whole), "agreeing": float(shares.sum()), "totals": counts.sum(0).tolist()}
    return sums


def told(criterion: Criterion, sums: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of one criterion, from the sums of all pieces."""
    mean, interval, _ = clustered(sums["groups"])
    scored = int(sum(size for size, _ in sums["groups"].values()))
    low, high = criterion.values[0], criterion.values[-1]
    ends = None if interval is None else [rounded(max(low, interval[0])), rounded(min(high, interval[1]))]
    said = np.array(sums["said"], dtype=np.int64).sum(0)
    return {
        "mean": rounded(mean),
        "interval": ends,
        "agreement": agreed(sums, len(criterion.values)),
        "scale": [low, high],
        "documents": scored,
        "failed": int(sums["asked"]) - scored,
        "prompts": len(sums["groups"]),
        "said": dict(zip(criterion.labels(), said.tolist(), strict=True)),
    }


def agreed(sums: Mapping[str, Any], size: int) -> dict[str, Any] | str:
    """How far readings agree; a few words where there is but one."""
    if "tables" not in sums:
        return ONE_READING
    tables = [np.array(table, dtype=np.float64).reshape(size, size) for table in sums["tables"]]
    pairs = np.array(sums["coincidences"], dtype=np.float64).reshape(size, size)
    whole = int(sums["whole"])
    share = sums["agreeing"] / whole if whole else None
    found = {
        "documents": whole,
        "same": rounded(share),
        "kappa": rounded(mean_of([agreement.cohen(table) for table in tables])),
        "kappa_quadratic": rounded(mean_of([agreement.cohen(table, "quadratic") for table in tables])),
        "alpha": rounded(agreement.alpha(pairs, "quadratic")),
    }
    if len(tables) > 1 and share is not None:
        found["fleiss"] = rounded(agreement.fleiss(share, np.array(sums["totals"], dtype=np.float64)))
    return found


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def rounded(value: float | None) -> float | None:
    """Four digits after the point; None for what is no number."""
    return None if value is None or finite(value) is None else round(float(value), 4)
