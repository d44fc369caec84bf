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
