"""What the machine under a student can do: device, bfloat16, memory, threads."""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from hornbook.core.errors import UserError

_TRIM, _MMAPS = -1, -4  # glibc's M_TRIM_THRESHOLD and M_MMAP_MAX


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        UserError: CUDA was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda, but torch sees no CUDA device", fix="device: auto, or a torch build with CUDA")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: CUDA with it, CPUs with avx512_bf16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    has: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def one_core(threads: int, device: str) -> bool:
    """Whether work with so many threads on such a device needs one core and nothing else."""
    return threads == 1 and pick_device(device).type == "cpu"


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let glibc keep freed memory while a model trains on the CPU.

    By default every large tensor is mapped afresh and its pages are zeroed by the kernel on first touch:
    a third of a small model's step. Measured on 2 shared cores, 0.9M weights, bfloat16, one thread: 24,600
    tokens a processor second without, 28,600 with (best of 15 steps; 16,800 and 28,600 where the
    threshold had been fixed at its default). Nothing happens where the C library is another.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAPS, 0)
    library.mallopt(_TRIM, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(_MMAPS, 65536)
        library.mallopt(_TRIM, 128 * 1024)
        library.malloc_trim(0)


@contextmanager
def kept_threads(count: int | None = None) -> Iterator[None]:
    """Give torch its number of threads back at the end; until then `count` where it is given."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def probe_threads(
    work: Callable[[], object], most: int, seconds: float = 0.5, clock: Callable[[], float] = time.perf_counter
) -> tuple[int, float]:
    """The number of threads at which `work` is fastest now: 1, 2, 4 … `most`.

    More threads must be 10 % faster to be taken, and climbing stops when they are not: on a busy
    machine two threads are up to 13 times slower than one (they wait for each other at every barrier).

    Args:
        work: something short and repeatable, a few tens of milliseconds.
        seconds: spent on each number, about.
        clock: in seconds.

    Returns:
        (threads, median seconds of `work` with them); torch is left set to that number.
    """
    best, fastest = 1, float("inf")
    count = 1
    while count <= most:
        torch.set_num_threads(count)
        median = _time(work, seconds, clock)
        if median > fastest * 0.9:
            break
        best, fastest = count, median
        count *= 2
    torch.set_num_threads(best)
    return best, fastest


def _time(work: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """Median seconds of a call, over 3 to 20 of them, the first not counted."""
    work()
    took: list[float] = []
    end = clock() + seconds
    while len(took) < 3 or (len(took) < 20 and clock() < end):
        start = clock()
        work()
        took.append(clock() - start)
    return statistics.median(took)
