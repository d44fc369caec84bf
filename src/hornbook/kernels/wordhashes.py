# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0915 (kernels are typed by what they are given)
"""Hashes of words alone, at several times the speed of `hornbook.kernels.words`, and equal to its.

Runs of letters and digits that are all ASCII are found 64 bytes at a time and hashed from one or a few words of
64 bits. A run that holds any other byte (it ends at ASCII characters that are no letter or digit, so no word
reaches beyond it) is given to `words`, whose rule stays the only one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import words

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_HALF, _SHIFT, _ZERO, _ONE, _ALL = np.uint64(32), np.uint64(33), np.uint64(0), np.uint64(1), ~np.uint64(0)
_EIGHT, _BITS = np.uint64(8), np.uint64(64)
_ONES, _TOPS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_FROM_A, _FROM_Z = np.uint64((0x80 - 0x41) * 0x0101010101010101), np.uint64((0x80 - 0x5B) * 0x0101010101010101)
_GATHER, _TOP_BYTE, _TWO = np.uint64(0x0102040810204080), np.uint64(56), np.uint64(2)
SLACK = 64
"""Bytes after the last one that may be read, and must be there."""


def hashes(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of the words of each document: `Words.hashes` and `Words.offsets` of `words(data, offsets)`.

    Args:
        data: uint8, UTF-8.
        offsets: int64 (documents + 1,).
    """
    first, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    padded = np.zeros((size // 64 + 2) * 64 + SLACK, np.uint8)
    padded[:size] = data[first : first + size]
    eights: Any = np.ndarray((padded.size - 7,), np.uint64, padded, strides=(1,))
    inside = np.empty(padded.size, np.uint8)
    many = _classes(padded, inside)
    bits = np.empty(padded.size // 64 + 1, np.uint64)
    _pack(inside.view(np.uint64), bits)
    out, counts = np.empty(size // 2 + offsets.size + 1, np.uint64), np.zeros(offsets.size, np.int64)
    odd_at, odd_from, odd_to = (np.empty(min(many, size // 2 + offsets.size) + 1, np.int64) for _ in range(3))
    odd = np.zeros(offsets.size, np.int64)
    n = _scan(eights, bits, offsets - first, many > 0, out, counts, odd, odd_at, odd_from, odd_to)
    runs = int(odd[-1])
    if runs == 0:
        return out[:n], counts
    return _merged(padded, out, counts, odd, odd_at[:runs], odd_from[:runs], odd_to[:runs])


def _merged(
    data: NDArray[np.uint8],
    out: NDArray[np.uint64],
    counts: NDArray[np.int64],
    odd: NDArray[np.int64],
    at: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Put the words of the runs that are not ASCII where they belong.

    Document d has the runs odd[d] to odd[d + 1]; run k stands before word at[k] of `out`.
    """
    sizes = end - start
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    text = np.empty(int(ends[-1]), np.uint8)
    _gather(data, start, ends, text)
    found = words(text, ends)
    whole = np.empty(int(counts[-1]) + found.hashes.size, np.uint64)
    total = np.zeros_like(counts)
    _weave(out, counts, at, odd, found.hashes, found.offsets, whole, total)
    return whole, total


@intrinsic
def _zeros_below(typingctx: Any, value: Any) -> Any:
    """How many zero bits there are below the lowest one bit of a uint64; 64 where it is 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), code


@kernel
def _classes(data, inside):
    """inside: 1 for ASCII letters, digits and every byte that is not ASCII. Returns how many of the latter."""
    many = 0
    for i in range(data.size):
        c = data[i]
        letter = np.uint8((c | np.uint8(32)) - np.uint8(97)) < np.uint8(26)
        digit = np.uint8(c - np.uint8(48)) < np.uint8(10)
        wide = c > np.uint8(127)
        inside[i] = np.uint8(letter | digit | wide)
        many += np.int64(wide)
    return many


@kernel
def _pack(eights, bits):
    """64 bytes that are 0 or 1 to 64 bits, the first byte lowest."""
    for k in range(bits.size - 1):
        word = _ZERO
        for j in range(8):
            word |= (eights[8 * k + j] * _GATHER >> _TOP_BYTE) << np.uint64(8 * j)
        bits[k] = word
    bits[bits.size - 1] = _ZERO


@kernel
def _lower(x):
    """Eight ASCII bytes with A-Z made lower case."""
    low = x & _LOW7
    upper = ((low + _FROM_A) ^ (low + _FROM_Z)) & ~x & _TOPS
    return x | upper >> _TWO


@kernel
def _scan(eights, bits, offsets, wide, out, counts, odds, odd_at, odd_from, odd_to):
    """Hashes of the runs that are ASCII; the others by their place. Returns how many words of the first kind."""
    n, odd = 0, 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            word = bits[i >> 6] >> np.uint64(i & 63)
            if word == _ZERO:
                i = (i | 63) + 1
                continue
            i += np.int64(_zeros_below(word))
            if i >= end:
                break
            start = i
            word = ~(bits[i >> 6] >> np.uint64(i & 63))
            length = np.int64(_zeros_below(word))
            room = 64 - (i & 63)
            if length >= room:
                i += room
                while i < end:
                    word = ~bits[i >> 6]
                    if word != _ZERO:
                        i += np.int64(_zeros_below(word))
                        break
                    i += 64
            else:
                i += length
            i = min(i, end)
            length = i - start
            x = eights[start]
            if length <= 8:
                x &= _ALL >> np.uint64(64 - 8 * length)
                if wide and x & _TOPS != _ZERO:
                    odd_at[odd], odd_from[odd], odd_to[odd] = n, start, i
                    odd += 1
                    continue
                state = _lower(x)
            else:
                seen, state, at = _ZERO, _ZERO, start
                while i - at > 8:
                    x = eights[at]
                    seen |= x
                    state = (state ^ _lower(x)) * _ODD
                    state ^= state >> _HALF
                    at += 8
                x = eights[at] & _ALL >> np.uint64(64 - 8 * (i - at))
                if wide and (seen | x) & _TOPS != _ZERO:
                    odd_at[odd], odd_from[odd], odd_to[odd] = n, start, i
                    odd += 1
                    continue
                state ^= _lower(x)
            state *= _ODD
            state = (state ^ state >> _SHIFT) * _MIX1
            state = (state ^ state >> _SHIFT) * _MIX2
            out[n] = state ^ state >> _SHIFT
            n += 1
        counts[d + 1], odds[d + 1] = n, odd
    return n


@kernel
def _gather(data, start, ends, text):
    for k in range(start.size):
        for j in range(ends[k + 1] - ends[k]):
            text[ends[k] + j] = data[start[k] + j]


@kernel
def _weave(out, counts, at, odd, more, more_offsets, whole, total):
    n = 0
    for d in range(counts.size - 1):
        run, last = odd[d], odd[d + 1]
        for k in range(counts[d], counts[d + 1] + 1):
            while run < last and at[run] == k:
                for m in range(more_offsets[run], more_offsets[run + 1]):
                    whole[n] = more[m]
                    n += 1
                run += 1
            if k < counts[d + 1]:
                whole[n] = out[k]
                n += 1
        total[d + 1] = n
