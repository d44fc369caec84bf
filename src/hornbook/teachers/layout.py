"""How a local model is laid over the processor: copies of it, and threads for each copy.

Threads of one model wait for each other at every layer, so that a neighbour who takes one core holds
up all of them: two threads fell from 210 to 46 tokens/s beside one busy core, and to 5 beside ten busy
processes (docs/teachers.md). Copies with one thread each never wait for each other: two of them wrote 255
on a quiet machine and 163 beside one busy core. So copies are taken wherever memory allows it, and
their number, or else the number of threads, is measured and not counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEEP = 0.95
"""More threads are taken when they write at least this share of the best rate so far."""
KEEP_COPIES = 0.5
"""The same for more copies, which never wait for each other: measured beside a busy neighbour they look
no better than one (129 against 133), but are twice as good when it goes. Only a limit that affinity and
quota do not show should keep them down. At 0.7 a neighbour during the probe once left a whole run of six
minutes with one copy: 107 tokens/s."""
FALLEN = 0.5
"""In use, a rate under this share of the best makes threads be measured again."""
WINDOW_SECONDS = 10.0
"""Over which the rate in use is taken."""
CALM_SECONDS = 30.0
"""At least between two choices: choosing costs some seconds and the halves of stories under way."""
AGAIN_SECONDS = 120.0
"""After which a layout smaller than the largest is measured again: the neighbour may be gone."""
MEMORY_SHARE = 0.5
"""Of the machine's memory that copies may take."""
COPY_COST = 2.0
"""Memory of a copy as a multiple of its file: SmolLM2-135M took 1.4 (weights repacked) and its cache."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`copies` of a model with `threads` each."""

    copies: int
    threads: int


def layouts(cores: int, memory: int, size: int, threads: int | None, copies: int | None) -> list[Layout]:
    """What may be tried, smallest first; one entry where nothing is left to choose.

    Args:
        cores: how many the process may use.
        memory: of the machine in bytes, 0 where unknown (then 4 GiB).
        size: of the model's file in bytes.
        threads, copies: as the person set them; None to choose.
    """
    total = threads or cores
    fit = MEMORY_SHARE * (memory or 4 * 2**30) >= total * size * COPY_COST
    if copies is not None:
        copies = min(copies, total) if threads is not None else copies
        each = max(1, total // copies)
        steps = [each] if threads is not None else _doubling(each)
        return [Layout(copies, step) for step in steps]
    if threads is not None:
        return [Layout(threads, 1) if fit else Layout(1, threads)]
    return [Layout(step, 1) if fit else Layout(1, step) for step in _doubling(total)]


def choose(tried: Sequence[Layout], measure: Callable[[Layout], float]) -> tuple[Layout, float]:
    """(the largest layout that is worth it, its rate).

    Goes up while the rate holds; measures nothing where there is nothing to choose (rate 0).
    """
    if len(tried) == 1:
        return tried[0], 0.0
    best, taken, rate = 0.0, tried[0], 0.0
    for layout in tried:
        found = measure(layout)
        if found < (KEEP_COPIES if layout.threads == 1 else KEEP) * best:
            break
        taken, rate, best = layout, found, max(best, found)
    return taken, rate


def worth_measuring(layout: Layout, tried: Sequence[Layout], rate: float, best: float, age: float) -> bool:
    """Whether a layout in use should be chosen anew.

    Single threads at their largest number never: nothing waits for anything there.

    Args:
        layout: in use.
        tried: what may be chosen.
        rate, best: tokens/s of the last window and of the best since the last choice.
        age: seconds since the last choice.
    """
    if len(tried) == 1 or (layout == tried[-1] and layout.threads == 1):
        return False
    return (rate < FALLEN * best and age > CALM_SECONDS) or (layout != tried[-1] and age > AGAIN_SECONDS)


def cores() -> int:
    """How many processors this process may use: its affinity, cut by a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota() or allowed))


def _quota() -> int | None:
    """Processors that a Linux container may use (cgroup v2, then v1), None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else round(int(quota) / int(period))
    with suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        period_us = int((folder / "cpu.cfs_period_us").read_text())
        return round(quota_us / period_us) if quota_us > 0 else None
    return None


def memory_limit() -> int | None:
    """Bytes that a Linux container may use, None without a limit."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            return int(Path(path).read_text())
    return None


def _doubling(top: int) -> list[int]:
    """1, 2, 4 … and the top itself."""
    steps = [1]
    while steps[-1] * 2 < top:
        steps.append(steps[-1] * 2)
    return steps if steps[-1] == top else [*steps, top]
