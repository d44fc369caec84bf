"""Compiling a kernel: machine code kept between processes where a folder for it can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function to machine code that releases the GIL.

    The code is cached beside the source file or, where that folder cannot be written, in the user's
    cache folder; where neither can be written (a read-only container) it is compiled anew in every
    process instead of failing, which takes a few seconds.

    A cached kernel knows of changes in its own file only, so a kernel must not call another from
    another file: it is given arrays instead.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of the kernels of the same file: it becomes part of each that calls it, and is called by no one else.

    One kernel calls another through a pointer, and each array handed over is counted twice by atomic operations: for a
    word of five letters that is as much work as its hash.
    """
    return njit(inline="always")(function)


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is put whole into those of its file that call it: a call with many arrays takes 20 ns.

    As `inlined`, for larger pieces: these are compiled on their own, in seconds where `inlined` would take minutes.
    """
    try:
        return njit(cache=True, nogil=True, forceinline=True)(function)
    except RuntimeError:
        return njit(nogil=True, forceinline=True)(function)
