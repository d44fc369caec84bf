# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Hashes of words alone, at several times the speed of `hornbook.kernels.words`, and equal to its.

Runs of letters and digits that are all ASCII are found 64 bytes at a time and hashed from one or a few words of
64 bits. A run that holds any other byte (it ends at ASCII characters that are no letter or digit, so no word
reaches beyond it) is given to `words`, whose rule stays the only one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from hornbook.kernels.jit import inlined, kernel
from hornbook.kernels.words import words

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_HALF, _SHIFT, _ZERO, _ONE, _ALL = np.uint64(32), np.uint64(33), np.uint64(0), np.uint64(1), ~np.uint64(0)
_SIX, _EIGHT, _LAST, _BITS = np.uint64(6), np.uint64(8), np.uint64(63), np.uint64(64)
_TOPS, _LOW7 = np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F)
_FROM_A, _FROM_Z = np.uint64((0x80 - 0x41) * 0x0101010101010101), np.uint64((0x80 - 0x5B) * 0x0101010101010101)
_TWO = np.uint64(2)
SLACK = 64
"""Bytes after the last one that may be read, and must be there."""


def hashes(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of the words of each document: `Words.hashes` and `Words.offsets` of `words(data, offsets)`.

    Args:
        data: uint8, UTF-8.
        offsets: int64 (documents + 1,).
    """
    first, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    padded = np.zeros((size // 64 + 1) * 64 + SLACK, np.uint8)
    padded[:size] = data[first : first + size]
    eights: Any = np.ndarray((padded.size - 7,), np.uint64, padded, strides=(1,))
    starts, ends = (np.empty(size // 2 + offsets.size + 1, np.uint64) for _ in range(2))
    counts = np.zeros(offsets.size, np.int64)
    wide = _runs(padded, (offsets - first).astype(np.uint64), starts, ends, counts)
    out = np.empty(int(counts[-1]), np.uint64)
    if not wide:
        _hash(eights, starts, ends, out)
        return out, counts
    odd, at = np.zeros(offsets.size, np.int64), np.empty(out.size, np.int64)
    n = _hash_narrow(eights, starts, ends, out, counts, odd, at)
    runs = int(odd[-1])
    if runs == 0:
        return out[:n], counts
    return _merged(padded, out, counts, odd, at[:runs], starts[:runs].view(np.int64), ends[:runs].view(np.int64))


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


@intrinsic
def _ones(typingctx: Any, value: Any) -> Any:
    """How many one bits a uint64 has."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), code


@intrinsic
def _classes(typingctx: Any, data: Any, at: Any) -> Any:
    """Of the 64 bytes from a place on, the first one in the lowest bit: (letters, digits, bytes that are not ASCII; the
    latter alone). LLVM makes of it whatever vectors the processor has."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), 64)

        def all_of(value: int) -> Any:
            return ir.Constant(vector, [value] * 64)

        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(array.data, [args[1]]), vector.as_pointer())
        byte = builder.load(place, align=1)
        letter = builder.icmp_unsigned("<", builder.sub(builder.or_(byte, all_of(32)), all_of(97)), all_of(26))
        digit = builder.icmp_unsigned("<", builder.sub(byte, all_of(48)), all_of(10))
        wide = builder.icmp_unsigned(">", byte, all_of(127))
        inside = builder.or_(builder.or_(letter, digit), wide)
        bits = [builder.bitcast(found, ir.IntType(64)) for found in (inside, wide)]
        return context.make_tuple(builder, signature.return_type, bits)

    return types.UniTuple(types.uint64, 2)(data, types.intp), code  # type: ignore[no-untyped-call]


@kernel
def _runs(data, offsets, starts, ends, counts):
    """Where the runs of letters, digits and bytes that are not ASCII begin and end; none reaches over the end of a
    document. Returns whether there are bytes that are not ASCII."""
    blocks = data.size // 64 - 1
    borders = np.zeros(blocks, np.uint64)
    for d in range(offsets.size):
        borders[offsets[d] >> _SIX] |= _ONE << (offsets[d] & _LAST)
    before, any_wide, begun, ended = _ZERO, _ZERO, 0, 0
    for k in range(blocks):
        inside, wide = _classes(data, 64 * k)  # type: ignore[call-arg, var-annotated]
        any_wide |= wide
        left = inside << _ONE | before
        before = inside >> _LAST
        first, last = inside & (~left | borders[k]), left & (~inside | borders[k])
        more, less = np.int64(_ones(first)), np.int64(_ones(last))
        for j in range(max(more, less)):
            starts[begun + j] = np.uint64(64 * k) + _zeros_below(first)
            ends[ended + j] = np.uint64(64 * k) + _zeros_below(last)
            first &= first - _ONE
            last &= last - _ONE
        begun += more
        ended += less
    counts[:] = np.searchsorted(starts[:begun], offsets)
    return any_wide != _ZERO


@inlined
def _lower(x):
    """Eight ASCII bytes with A-Z made lower case."""
    low = x & _LOW7
    upper = ((low + _FROM_A) ^ (low + _FROM_Z)) & ~x & _TOPS
    return x | upper >> _TWO


@inlined
def _hash_of(eights, start, end):
    """(hash of a run that is ASCII, all its bytes together)."""
    length = end - start
    seen, state, at = _ZERO, _ZERO, start
    while length > _EIGHT:
        x = eights[at]
        seen |= x
        state = (state ^ _lower(x)) * _ODD
        state ^= state >> _HALF
        at += _EIGHT
        length -= _EIGHT
    x = eights[at] & _ALL >> (_BITS - _EIGHT * length)
    state = (state ^ _lower(x)) * _ODD
    state = (state ^ state >> _SHIFT) * _MIX1
    state = (state ^ state >> _SHIFT) * _MIX2
    return state ^ state >> _SHIFT, seen | x


@kernel
def _hash(eights, starts, ends, out):
    """Hashes of the runs, all ASCII."""
    for k in range(out.size):
        out[k] = _hash_of(eights, starts[k], ends[k])[0]


@kernel
def _hash_narrow(eights, starts, ends, out, counts, odd, at):
    """Hashes of the runs that are ASCII; the others are left, with their place. Returns how many of the first kind."""
    n, left, k = 0, 0, 0
    for d in range(1, counts.size):
        while k < counts[d]:
            start, end = starts[k], ends[k]
            k += 1
            out[n], seen = _hash_of(eights, start, end)
            if seen & _TOPS == _ZERO:
                n += 1
            else:
                at[left], starts[left], ends[left] = n, start, end
                left += 1
        counts[d], odd[d] = n, left
    return n


@kernel
def _gather(data, start, ends, text):
    for k in range(start.size):
        for j in range(ends[k + 1] - ends[k]):
            text[ends[k] + j] = data[start[k] + j]


@kernel
def _weave(out, counts, at, odd, more, more_offsets, whole, total):
    n, k = 0, 0
    for d in range(counts.size - 1):
        for run in range(odd[d], odd[d + 1]):
            while k < at[run]:
                whole[n] = out[k]
                n += 1
                k += 1
            for m in range(more_offsets[run], more_offsets[run + 1]):
                whole[n] = more[m]
                n += 1
        while k < counts[d + 1]:
            whole[n] = out[k]
            n += 1
            k += 1
        total[d + 1] = n
