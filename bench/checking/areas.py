"""How well scores tell two kinds of statements apart: the area under the ROC curve, with an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000


def auroc(scores: NDArray[np.float64], made_up: NDArray[np.bool_]) -> float:
    """The chance that what is made up has the higher score, ties half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    many, rest = int(made_up.sum()), int((~made_up).sum())
    return float((ranks[made_up].sum() - many * (many + 1) / 2) / (many * rest))


def interval(
    scores: NDArray[np.float64], made_up: NDArray[np.bool_], about: NDArray[np.int64], seed: int = 17
) -> tuple[float, float]:
    """The 95 % interval of an AUROC: passages with all their statements drawn again, 1,000 times (percentiles)."""
    names, home = np.unique(about, return_inverse=True)
    members = [np.flatnonzero(home == at) for at in range(names.size)]
    draw, found = np.random.default_rng(seed), []
    while len(found) < DRAWS:
        rows = np.concatenate([members[at] for at in draw.integers(0, names.size, names.size)])
        if made_up[rows].any() and not made_up[rows].all():
            found.append(auroc(scores[rows], made_up[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def table(
    scores: NDArray[np.float64], kinds: NDArray[np.str_], about: NDArray[np.int64], true: str = "true"
) -> dict[str, list[float]]:
    """Of all that is made up, and of each kind of it: [AUROC against what is true, low, high, how many]."""
    found = {}
    for kind in ("all", *(name for name in dict.fromkeys(kinds.tolist()) if name != true)):
        some = (kinds == true) | (kinds == kind) | (kind == "all")
        made_up = kinds[some] != true
        area = auroc(scores[some], made_up)
        ends = interval(scores[some], made_up, about[some])
        found[kind] = [round(value, 3) for value in (area, *ends)] + [int(made_up.sum())]
    return found


def baselines(texts: list[str], seed: int = 17) -> dict[str, NDArray[np.float64]]:
    """What needs no method: how long a statement is, and chance."""
    return {
        "length": np.array([float(len(text)) for text in texts]),
        "random": np.random.default_rng(seed).random(len(texts)),
    }
