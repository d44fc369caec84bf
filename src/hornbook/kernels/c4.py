# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0913, PLR0915, PLR1714 (kernels are typed by what they are given)
"""The line rules of C4 (arXiv:1910.10683, section 2.2), in the order of datatrove's `C4QualityFilter`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.filters import BREAK, CLOSE, DIGIT, SPACE, TERMINAL, classes
from hornbook.kernels.jit import kernel
from hornbook.kernels.letters import table as letters

LONG_WORD, NO_END, FEW_WORDS, JAVASCRIPT, POLICY = range(5)
LOREM, CURLY = 1, 2
_PHRASES = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_CITATIONS = ("[edit]", "[citation needed]")


@dataclass(frozen=True, slots=True)
class Kept:
    """What C4's line rules leave.

    Args:
        data: uint8, UTF-8 of the lines that stay, with a line feed between two of a document.
        offsets: int64 (documents + 1,) into it.
        lines: int64 (lines + 1,), where each line begins, and the end. of: int64 (lines,), its document.
        total: int64 (documents,), lines there were. gone: int64 (5, documents), lines dropped, by reason: `LONG_WORD`,
            `NO_END`, `FEW_WORDS`, `JAVASCRIPT`, `POLICY`.
        found: uint8 (documents,), `LOREM` or `CURLY` where a line that came so far says "lorem ipsum" or holds a curly
            bracket, else 0. The lines of such a document are not looked at further.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    lines: NDArray[np.int64]
    ends: NDArray[np.int64]
    of: NDArray[np.int64]
    total: NDArray[np.int64]
    gone: NDArray[np.int64]
    found: NDArray[np.uint8]


def lines(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], *, min_words: int, max_word: int, citations: bool, every: bool
) -> Kept:
    """Apply the line rules.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).
        min_words: lines of fewer words leave. max_word: lines with a run of more characters without white space leave.
        citations: take `[1]`, `[edit]`, `[citation needed]` out of the lines.
        every: every script: words are those of the one word rule and a line may end in any terminal mark or closing
            quote. Else words are runs without white space and a line ends in one of . ? ! " '
    """
    size, rows = int(offsets[-1] - offsets[0]), offsets.size - 1
    found = 0
    cut = {10, 13, 11, 12, 28, 29, 30}
    found = int(np.isin(data[offsets[0] : offsets[-1]], list(cut)).sum()) if size else 0
    wide = int((data[offsets[0] : offsets[-1]] == 0xC2).sum() + (data[offsets[0] : offsets[-1]] == 0xE2).sum())
    most = found + wide + rows + 1
    out, ends = np.empty(size + rows + 8, np.uint8), np.zeros(rows + 1, np.int64)
    starts, stops, of = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.int64)
    total, gone, kinds = np.zeros(rows, np.int64), np.zeros((5, rows), np.int64), np.zeros(rows, np.uint8)
    phrases, lengths = _phrases()
    n = _lines(
        data, offsets, classes(), letters(), phrases, lengths,
        min_words, max_word, citations, every, out, ends, starts, stops, of, total, gone, kinds,
    )  # fmt: skip
    return Kept(out[: ends[-1]], ends, starts[:n], stops[:n], of[:n], total, gone, kinds)


@lru_cache(maxsize=1)
def _phrases() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    every = [*_PHRASES, *_CITATIONS]
    table, lengths = np.zeros((len(every), 20), np.uint8), np.array([len(phrase) for phrase in every], np.int64)
    for at, phrase in enumerate(every):
        table[at, : len(phrase)] = list(phrase.encode())
    return table, lengths


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
def _says(data, i, end, phrases, lengths, p, fold):
    size = lengths[p]
    if i + size > end:
        return False
    for k in range(size):
        byte = data[i + k]
        if fold and 65 <= byte <= 90:
            byte |= 32
        if byte != phrases[p, k]:
            return False
    return True


@kernel
def _citation(data, i, end, classes, phrases, lengths):
    """Length in bytes of the citation at i, 0 for none."""
    k = i + 1
    while k < end:
        code, size = _decode(data, k, end)
        if code == 93:
            return k + 1 - i
        if not classes[code] & DIGIT:
            break
        k += size
    for p in range(phrases.shape[0] - 2, phrases.shape[0]):
        if _says(data, i, end, phrases, lengths, p, False):
            return lengths[p]
    return 0


@kernel
def _ends_well(out, a, b, classes, every):
    if b <= a:
        return False
    if b - a >= 3 and out[b - 1] == 46 and out[b - 2] == 46 and out[b - 3] == 46:
        return False
    byte = out[b - 1]
    if byte == 46 or byte == 63 or byte == 33 or byte == 34 or byte == 39:
        return True
    if not every:
        return False
    k = b - 1
    while k > a and out[k] & 0xC0 == 0x80:
        k -= 1
    code, _ = _decode(out, k, b)
    return classes[code] & TERMINAL != 0 or (code > 127 and classes[code] & CLOSE != 0)


@kernel
def _without_lead(out, a, b, classes):
    """Take the white space at a text's beginning away, which a citation may have left; how many bytes."""
    lead = a
    while lead < b:
        code, size = _decode(out, lead, b)
        if not classes[code] & SPACE:
            break
        lead += size
    if lead > a:
        for j in range(lead, b):
            out[j - lead + a] = out[j]
    return lead - a


@kernel
def _phrase(out, a, b, phrases, lengths):
    """Bits of the phrases that the line says."""
    said = 0
    for i in range(a, b):
        byte = out[i] | 32
        if byte == 108 or byte == 106 or byte == 116 or byte == 112 or byte == 99 or byte == 117:
            for p in range(phrases.shape[0] - 2):
                if phrases[p, 0] == byte and _says(out, i, b, phrases, lengths, p, True):
                    said |= 1 << p
    return said


@kernel
def _lines(
    data, offsets, classes, letters, phrases, lengths,
    min_words, max_word, citations, every, out, ends, starts, stops, of, total, gone, kinds,
):  # fmt: skip
    at, n = 0, 0
    for d in range(offsets.size - 1):
        i, end, first = offsets[d], offsets[d + 1], at
        while i < end:
            # one line of str.splitlines: its text without white space at the ends, its words
            a, b, words, run, longest, before = -1, -1, 0, 0, 0, 0
            while i < end:
                code, size = _decode(data, i, end)
                bits = classes[code]
                if bits & BREAK:
                    break
                if bits & SPACE:
                    run = 0
                else:
                    if a < 0:
                        a = i
                    b = i + size
                    run += 1
                    longest = max(longest, run)
                    if not every and run == 1:
                        words += 1
                if every:
                    kind = letters[code] >> np.uint32(21) & np.uint32(7)
                    if kind == 3 or (kind == 2 and before != 2):
                        words += 1
                    if kind != 5 and kind != 4:
                        before = kind
                i += size
            if i < end:
                code, size = _decode(data, i, end)
                i += size
                if code == 13 and i < end and data[i] == 10:
                    i += 1
            total[d] += 1
            if longest > max_word >= 0:
                gone[0, d] += 1
                continue
            begin = at + (at > first)
            k = begin
            if a >= 0:
                j = a
                while j < b:
                    if citations and data[j] == 91:
                        size = _citation(data, j, b, classes, phrases, lengths)
                        if size:
                            j += size
                            continue
                    out[k] = data[j]
                    k += 1
                    j += 1
            if not _ends_well(out, begin, k, classes, every):
                gone[1, d] += 1
                continue
            if words < min_words:
                gone[2, d] += 1
                continue
            said = _phrase(out, begin, k, phrases, lengths)
            if said & 1:
                kinds[d] = 1
                break
            if said & 2:
                gone[3, d] += 1
                continue
            curly = False
            for j in range(begin, k):
                if out[j] == 123:
                    curly = True
                    break
            if curly:
                kinds[d] = 2
                break
            if said:
                gone[4, d] += 1
                continue
            if begin > at:
                out[at] = 10
            else:
                k -= _without_lead(out, begin, k, classes)
            starts[n], stops[n], of[n] = begin, k, d
            n += 1
            at = k
        ends[d + 1] = at
    return n
