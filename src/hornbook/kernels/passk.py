"""pass@k: how likely one of k programs is right, from n of which c were."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hornbook.kernels.intervals import Interval, share


def pass_at_k(samples: ArrayLike, passed: ArrayLike, k: int) -> NDArray[np.float64]:
    """The unbiased estimate 1 - C(n - c, k) / C(n, k) of each task, as a product of k or c factors.

    Source: Codex, arXiv:2107.03374, section 2.1: 1 - prod over i from n - c + 1 to n of (1 - k / i). As in
    openai/human-eval, evaluation.py, it is 1 where fewer than k programs failed, so also where there are fewer than k.

    Args:
        samples: (tasks,) programs of each task, n.
        passed: (tasks,) those that passed, c.
        k: how many are drawn.

    Returns:
        (tasks,) float64, 0 to 1.

    Raises:
        ValueError: k is below 1, or a count is negative or above its n.
    """
    n, c = np.broadcast_arrays(np.asarray(samples, np.int64), np.asarray(passed, np.int64))
    if k < 1 or bool(((c < 0) | (c > n)).any()):
        raise ValueError(f"pass@{k} of {n.tolist()} programs of which {c.tolist()} passed")
    surely = n - c < k
    failing = np.ones(n.shape)
    if k < int(c.max(initial=0)):
        for at in range(k):
            failing *= np.where(surely, 0.0, (n - c - at) / np.maximum(n - at, 1))
    else:
        for at in range(int(c.max(initial=0))):
            failing *= np.where(at < c, 1.0 - k / np.maximum(n - at, 1), 1.0)
    found: NDArray[np.float64] = np.where(surely, 1.0, 1.0 - failing)
    return found


def mean_pass_at_k(samples: ArrayLike, passed: ArrayLike, k: int) -> tuple[float | None, Interval | None]:
    """The mean of `pass_at_k` over tasks and its 95 % interval, the tasks being what was drawn.

    The interval is Wilson's with as many tasks as the spread of their estimates is worth, so that 0 of 164 is no
    proof of nothing (`kernels.intervals.share`). None for both where there is no task.
    """
    each = pass_at_k(samples, passed, k)
    return share({str(at): (1, value) for at, value in enumerate(each.tolist())})
