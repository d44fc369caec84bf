# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0915, PLR1714 (kernels are typed by what they are given)
"""What the filter sets of Gopher, C4 and FineWeb count in lines and characters, one pass over the bytes.

Lines, white space and letters are Python's (`str.splitlines`, `str.isspace`, `str.isalpha`), as datatrove's filters
use them, so that these counts are the same with every word rule. Bytes that are not UTF-8 are passed over.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.letters import table as letters
from hornbook.kernels.words import Words

SPACE, BREAK, TERMINAL, ALPHA, DIGIT, CLOSE = 1, 2, 4, 8, 16, 32
_READ = ((0, 0x323AF), (0xE0000, 0xE01FF))
_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_CLOSING = "\"'”’»«“‘」』）)]】》〉"
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _HALF = np.uint64(0), np.uint64(1), np.uint64(32)


@lru_cache(maxsize=1)
def classes() -> NDArray[np.uint8]:
    """Bits of each code point: uint8 (1,114,112,)."""
    from hornbook.kernels.punctuation import TERMINAL as ENDS
    from hornbook.kernels.punctuation import ranges

    bits = np.zeros(0x110000, np.uint8)
    for first, last in _READ:
        for code in range(first, last + 1):
            character = chr(code)
            if character.isalpha():
                bits[code] = ALPHA
            elif character.isspace():
                bits[code] = SPACE
            elif unicodedata.category(character) == "Nd":
                bits[code] = DIGIT
    for character in _BREAKS:
        bits[ord(character)] |= BREAK
    for character in _CLOSING:
        bits[ord(character)] |= CLOSE
    for first, last in ranges(ENDS):
        bits[first : last + 1] |= TERMINAL
    return bits


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts of documents, each int64 (documents,).

    Args:
        chars: code points. newlines: line feeds.
        hashes: number signs. ellipses: "..." (not overlapping) and "…".
        lines, bullets, trailing: lines of `str.splitlines`; of them those that begin with • or -, white space aside,
            and those that end in an ellipsis, white space aside.
        full, ended, short, again: lines between line feeds that are not blank; of them those that end in a terminal
            mark, those of at most `short` characters, and the characters of those that stood before.
        signs: runs without white space that hold no letter and no digit.
    """

    chars: NDArray[np.int64]
    newlines: NDArray[np.int64]
    hashes: NDArray[np.int64]
    ellipses: NDArray[np.int64]
    lines: NDArray[np.int64]
    bullets: NDArray[np.int64]
    trailing: NDArray[np.int64]
    full: NDArray[np.int64]
    ended: NDArray[np.int64]
    short: NDArray[np.int64]
    again: NDArray[np.int64]
    signs: NDArray[np.int64]


def survey(data: NDArray[np.uint8], offsets: NDArray[np.int64], short: int = 30) -> Survey:
    """Count what the filter sets look at.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,). short: a line of so many characters is short.
    """
    out = np.zeros((12, offsets.size - 1), np.int64)
    _survey(data, offsets, classes(), letters(), short, out)
    return Survey(*out)


def stops(words: Words, wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many different ones of `wanted` (at most 64 hashes of words) each document has: int64 (documents,)."""
    slots = 1024
    keys, which = np.zeros(slots, np.uint64), np.zeros(slots, np.int64)
    for at, key in enumerate(wanted[:64]):
        place = int(key) % slots
        while keys[place]:
            place = (place + 1) % slots
        keys[place], which[place] = key, at
    out = np.zeros(words.offsets.size - 1, np.int64)
    _stops(words.hashes, words.offsets, keys, which, out)
    return out


def per_document(values: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums of the values of each document's words: int64 (documents,)."""
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])
    return sums[offsets[1:]] - sums[offsets[:-1]]


def sentences(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many sentences each document has, in every script: int64 (documents,).

    A sentence ends behind a run of terminal marks (and the quotes and brackets that close behind them) that white
    space, the end or a letter of a script without spaces follows, or whose last mark is not ASCII; and at a blank line.
    It counts where it holds a letter or digit. So "3.5" and "a.b" end none, and "Dr. No" one too many.
    """
    out = np.zeros(offsets.size - 1, np.int64)
    _sentences(data, offsets, classes(), letters(), out)
    return out


@kernel
def _decode(data, i, end):
    lead = np.int64(data[i])
    if lead < 0x80:
        return lead, 1
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if lead < 0xC2 or lead > 0xF4 or i + size > end:
        return 0xFFFD, 1
    code = lead & (0xFF >> (size + 1))
    for k in range(1, size):
        code = code << 6 | (np.int64(data[i + k]) & 0x3F)
    return (code, size) if code < 0x110000 else (0xFFFD, 1)


@kernel
def _seen(keys, key):
    key = key if key != _ZERO else _ONE
    mask = keys.size - 1
    at = np.int64((key * _ODD) >> _HALF) & mask
    while keys[at] != _ZERO:
        if keys[at] == key:
            return True
        at = (at + 1) & mask
    keys[at] = key
    return False


@kernel
def _survey(data, offsets, classes, letters, short, out):
    keys = np.zeros(64, np.uint64)
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        room = 64
        rows = 1
        for k in range(i, end):
            rows += data[k] == 10
        while room < 2 * rows:
            room *= 2
        if keys.size < room:
            keys = np.zeros(room, np.uint64)
        table = keys[:room]
        table[:] = 0
        chars, newlines, signs_, ellipses, number = 0, 0, 0, 0, 0
        # of the line by any break
        began, bullet, dots, since, open_line = False, False, 0, 0, False
        mark = False
        # of the line by line feeds
        length, blank, last, state = 0, True, 0, _ONE
        # of the run without white space
        inside, plain = False, False
        three, carriage = 0, False
        while i < end:
            lead = data[i]
            if lead < 0x80:
                code, size = np.int64(lead), 1
            else:
                code, size = _decode(data, i, end)
            i += size
            bits = classes[code]
            chars += 1
            if code == 46:
                three += 1
                if three == 3:
                    ellipses += 1
                    three = 0
            else:
                three = 0
                if code == 0x2026:
                    ellipses += 1
                elif code == 35:
                    number += 1
            if bits & SPACE:
                if inside and not plain:
                    signs_ += 1
                inside, plain = False, False
            else:
                inside = True
                kind = letters[code] >> np.uint32(21) & np.uint32(7)
                plain |= kind == 2 or kind == 3
            # str.splitlines
            if bits & BREAK:
                if not (code == 10 and carriage):
                    out[4, d] += 1
                    out[5, d] += bullet
                    out[6, d] += dots >= 3 or mark
                    began, bullet, dots, mark, open_line = False, False, 0, False, False
                carriage = code == 13
            else:
                carriage = False
                open_line = True
                if not bits & SPACE:
                    if not began:
                        began = True
                        bullet = code == 0x2022 or code == 45
                    mark = code == 0x2026
                    dots = 0 if code != 46 else dots + 1 if since == 0 else 1
                    since = 0
                else:
                    since = 1
            # between line feeds
            if code == 10:
                newlines += 1
                if not blank:
                    out[7, d] += 1
                    out[8, d] += classes[last] & TERMINAL != 0
                    out[9, d] += length <= short
                    if _seen(table, state):
                        out[10, d] += length
                length, blank, state = 0, True, _ONE
            else:
                length += 1
                last = code
                state = (state ^ np.uint64(code)) * _ODD
                state ^= state >> _HALF
                if not bits & SPACE:
                    blank = False
        if inside and not plain:
            signs_ += 1
        if open_line:
            out[4, d] += 1
            out[5, d] += bullet
            out[6, d] += dots >= 3 or mark
        if not blank:
            out[7, d] += 1
            out[8, d] += classes[last] & TERMINAL != 0
            out[9, d] += length <= short
            if _seen(table, state):
                out[10, d] += length
        out[0, d], out[1, d], out[2, d], out[3, d], out[11, d] = chars, newlines, number, ellipses, signs_


@kernel
def _stops(hashes, offsets, keys, which, out):
    mask = np.uint64(keys.size - 1)
    for d in range(offsets.size - 1):
        found = _ZERO
        for i in range(offsets[d], offsets[d + 1]):
            at = hashes[i] & mask
            while keys[at] != _ZERO:
                if keys[at] == hashes[i]:
                    found |= _ONE << np.uint64(which[at])
                    break
                at = (at + _ONE) & mask
        while found != _ZERO:
            found &= found - _ONE
            out[d] += 1


@kernel
def _sentences(data, offsets, classes, letters, out):
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        some, ended, wide, feeds = False, False, False, 0
        while i < end:
            code, size = _decode(data, i, end)
            i += size
            bits = classes[code]
            kind = letters[code] >> np.uint32(21) & np.uint32(7)
            word = kind == 2 or kind == 3
            feeds = feeds + 1 if code == 10 else feeds if bits & SPACE else 0
            if some and (
                feeds == 2 or (ended and (bits & SPACE or kind == 3 or (wide and not bits & (TERMINAL | CLOSE))))
            ):
                out[d] += 1
                some, ended, wide = False, False, False
            if bits & TERMINAL:
                ended, wide = True, code > 127
            elif not bits & CLOSE:
                ended, wide = False, False
            some |= word
        out[d] += some
