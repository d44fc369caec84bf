"""How good a fitted score is: held against a teacher's, against its second look, and with fewer labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.core.keys import finite

Numbers = NDArray[np.float64]
BINS = 10
FRACTIONS = (0.125, 0.25, 0.5, 1.0)
RELIABLE = 0.5
"""Rank correlation of a teacher with itself below which it is doubted; our choice."""


def auroc(scores: Numbers, good: NDArray[np.bool_]) -> float | None:
    """The chance that a good document has the higher score, ties half; None where there are not both kinds."""
    positives, negatives = int(good.sum()), int((~good).sum())
    if not positives or not negatives:
        return None
    ranks = ranked(scores)
    return float((ranks[good].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auroc_error(area: float | None, good: NDArray[np.bool_]) -> float | None:
    """Standard error of an AUROC (Hanley and McNeil 1982)."""
    p, n = int(good.sum()), int((~good).sum())
    if area is None or not p or not n:
        return None
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = (area * (1 - area) + (p - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (p * n)
    return float(np.sqrt(max(0.0, variance)))


def interval(area: float | None, error: float | None) -> list[float] | None:
    """The 95 % interval of an AUROC, from its standard error."""
    if area is None or error is None:
        return None
    return [round(max(0.0, area - 1.96 * error), 4), round(min(1.0, area + 1.96 * error), 4)]


def ranked(values: Numbers) -> Numbers:
    """Ranks from 1, ties their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Numbers = (last - (counts - 1) / 2.0)[inverse]
    return found


def pearson(one: Numbers, two: Numbers) -> float | None:
    """Correlation; None where one of them does not vary."""
    if one.size < 2 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    return finite(float(np.corrcoef(one, two)[0, 1]))


def spearman(one: Numbers, two: Numbers) -> float | None:
    """Correlation of ranks."""
    return pearson(ranked(one), ranked(two)) if one.size else None


def quality_of(scores: Numbers, labels: Numbers, cut: float) -> dict[str, Any]:
    """Scores held against labels they were not fitted on.

    Args:
        scores, labels: float64 (rows,).
        cut: a document with a label of at least that is good.
    """
    good = labels >= cut
    area = auroc(scores, good)
    error = auroc_error(area, good)
    return {
        "documents": int(labels.size),
        "good": int(good.sum()),
        "auroc": rounded(area),
        "auroc_standard_error": rounded(error),
        "auroc_interval": interval(area, error),
        "spearman": rounded(spearman(scores, labels)),
        "pearson": rounded(pearson(scores, labels)),
        "mean_error": rounded(float(np.abs(scores - labels).mean())) if labels.size else None,
        "calibration": calibration(scores, labels, cut),
        "at_good": kept_from(scores, good, cut),
        "thresholds": precision_recall(scores, good),
    }


def calibration(scores: Numbers, labels: Numbers, cut: float) -> list[dict[str, Any]]:
    """Documents in up to ten groups of equal size by score: what was said of them, and what the teacher said."""
    groups = np.array_split(np.argsort(scores, kind="stable"), min(BINS, max(1, labels.size // 5)))
    return [
        {
            "documents": int(rows.size),
            "score": rounded(float(scores[rows].mean())),
            "teacher": rounded(float(labels[rows].mean())),
            "good": rounded(float((labels[rows] >= cut).mean())),
        }
        for rows in groups
        if rows.size
    ]


def precision_recall(scores: Numbers, good: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """What a threshold would keep, at every tenth of the documents."""
    limits = np.quantile(scores, np.arange(1, 10) / 10).tolist() if scores.size else []
    return [kept_from(scores, good, limit) for limit in sorted(set(limits))]


def kept_from(scores: Numbers, good: NDArray[np.bool_], least: float) -> dict[str, Any]:
    """What a threshold would keep: the share of the documents, how many of these are good, and of the good ones."""
    kept = scores >= least
    hits = int((kept & good).sum())
    return {
        "min": rounded(least),
        "kept": rounded(float(kept.mean())) if kept.size else None,
        "precision": rounded(hits / int(kept.sum())) if kept.any() else None,
        "recall": rounded(hits / int(good.sum())) if good.any() else None,
    }


def reliability(first: Numbers, second: Numbers, cut: float) -> dict[str, Any]:
    """How far a teacher agrees with its own second look; no classifier can be asked to do better.

    Args:
        first, second: float64 (rows,), NaN where a document was not looked at.
        cut: as in `quality_of`.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    one, two = first[both], second[both]
    if not one.size:
        return {"documents": 0}
    return {
        "documents": int(one.size),
        "spearman": rounded(spearman(two, one)),
        "pearson": rounded(pearson(two, one)),
        "mean_difference": rounded(float(np.abs(one - two).mean())),
        "same_number": rounded(float((np.rint(one) == np.rint(two)).mean())),
        "same_side": rounded(float(((one >= cut) == (two >= cut)).mean())),
        "auroc": rounded(auroc(two, one >= cut)),
        "auroc_standard_error": rounded(auroc_error(auroc(two, one >= cut), one >= cut)),
    }


def learning_curve(
    fitted: Callable[[NDArray[np.int64]], Numbers], train: NDArray[np.int64], labels: Numbers, cut: float
) -> dict[str, Any]:
    """What the same method gives with fewer labels, on the same held-out documents.

    Args:
        fitted: rows to fit on → scores of the held-out documents.
        train: rows to fit on, in an order drawn by chance.
        labels: of the held-out documents.
        cut: as in `quality_of`.
    """
    curve: list[dict[str, Any]] = []
    good = labels >= cut
    for part in FRACTIONS:
        rows = train[: max(1, round(part * train.size))]
        if rows.size < 8 and part < 1.0:
            continue
        scores = fitted(np.sort(rows))
        curve.append(
            {
                "labels": int(rows.size),
                "auroc": rounded(auroc(scores, good)),
                "spearman": rounded(spearman(scores, labels)),
            }
        )
    return {"curve": curve, "more_labels": _more(curve, labels.size)}


def _more(curve: list[dict[str, Any]], held: int) -> str:
    """Whether more labels would help, as far as the last doubling tells; Fisher's standard error of a correlation."""
    last = [point["spearman"] for point in curve[-2:]]
    if len(last) < 2 or None in last or held < 10:
        return "cannot be told: too few labels"
    gain, error = last[1] - last[0], 1.0 / np.sqrt(held - 3)
    if gain > error:
        return f"would help: the last doubling raised the rank correlation by {gain:.2f}"
    if gain > 0.02:
        return f"may help: the last doubling raised the rank correlation by {gain:.2f}, within its error of {error:.2f}"
    return f"no sign of it: the last doubling changed the rank correlation by {gain:+.2f} (error {error:.2f})"


def in_words(report: Mapping[str, Any]) -> list[str]:
    """What a person should know of a fit, a sentence each.

    Args:
        report: `held_out` as `quality_of` gives it, `teacher` as `reliability`, `learning_curve`, `good_from`.
    """
    held, teacher, said = report["held_out"], report["teacher"], []
    if held["auroc"] is None:
        said.append(f"all or none of the {held['documents']} held-out documents are good: its AUROC cannot be told")
    else:
        low, high = held["auroc_interval"]
        found = f"AUROC {held['auroc']:.2f} on {held['documents']} held-out documents (95 %: {low:.2f} to {high:.2f})"
        said.append(found + ("" if low > 0.5 else ": no better than chance, as far as these tell"))
        at = held["at_good"]
        if at["precision"] is not None:
            kept = f"a score of {report['good_from']:g} keeps {at['kept']:.0%}: {at['precision']:.0%} of it is good"
            said.append(f"{kept}, and it holds {at['recall']:.0%} of what is good")
    if teacher.get("spearman") is None:
        said.append("how reliable the teacher is cannot be told: hardly any document was looked at twice")
    else:
        doubt = ": a better teacher first, nothing after it can mend this" if teacher["spearman"] < RELIABLE else ""
        said.append(
            f"the teacher agrees with its second look at a rank correlation of {teacher['spearman']:.2f}{doubt}"
        )
    return [*said, f"more labels: {report['learning_curve']['more_labels']}"]


def rounded(value: float | None) -> float | None:
    """Four digits, so that a manifest can be read; None for what is no number."""
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
