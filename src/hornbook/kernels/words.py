# ruff: noqa: ANN001, ANN202, PLR1714 (kernels are typed by what they are given)
"""Words: the one word rule of all kernels, over Arrow buffers, in every script.

The rule, for text as Unicode code points (tested against a plain Python reading of it):

1. A *letter or digit* is a character of category L or N. A *mark* is one of category M.
2. A word is a maximal run of letters, digits and the marks that follow them. A mark that follows no
   letter or digit belongs to no word.
3. A letter of a script that is written without spaces between words (`letters.SOLO`: Han, kana, Thai,
   Lao, Khmer, Myanmar, Tibetan …) is a word of its own, together with the marks that follow it. The
   decimal digits of those scripts make runs like all digits.
4. Invisible format characters (category Cf: soft hyphen, joiners, direction marks, byte order mark)
   are passed over: they neither end a word nor are part of it. The zero width space does end it.
5. Everything else separates: spaces, punctuation, the underscore, symbols, emoji, control characters.
6. Letters are compared by simple case folding (Unicode CaseFolding.txt, statuses C and S). Accents are
   kept, and composed and decomposed letters differ, as they do in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.letters import ALONE, KIND_AT, LETTER_AT, MARK, PASSED, RUN, SPACE, table

LETTER, BY_ITSELF = 1, 2
BLOCK_BYTES = 2**20
Form = Literal["space", "case", "words"]

_FOLD, _KIND, _LETTER = np.uint32(0x1FFFFF), np.uint32(KIND_AT), np.uint32(LETTER_AT)
_SEVEN, _ONE = np.uint32(7), np.uint32(1)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_HALF, _SHIFT, _ZERO = np.uint64(32), np.uint64(33), np.uint64(0)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some documents, in order.

    Args:
        hashes: uint64 (words,), equal for words that are equal after case folding. Words of up to
            eight ASCII characters never collide; others do by chance, 1 in 2^64 a pair.
        starts, ends: int64 (words,), byte range in the data they were read from.
        chars: int32 (words,), length in characters, without those passed over.
        flags: uint8 (words,), `LETTER` where the word holds a letter, `BY_ITSELF` where it is one
            character of a script written without spaces.
        offsets: int64 (documents + 1,), document d has the words offsets[d] to offsets[d + 1].
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    chars: NDArray[np.int32]
    flags: NDArray[np.uint8]
    offsets: NDArray[np.int64]


def texts(column: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes and offsets of a column of text, without copying the bytes of a column in one chunk.

    Args:
        column: pa.Array or pa.ChunkedArray of any string type; a missing text counts as empty.

    Returns:
        data: uint8, UTF-8; offsets: int64 (rows + 1,) into it.
    """
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            column = column.chunk(0)
        else:
            chunks = column.cast(pa.large_string()).chunks
            column = pa.concat_arrays([pa.array([], pa.large_string()), *chunks])
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = column.cast(pa.large_string())
    if column.null_count:
        column = pc.fill_null(column, "")
    _, index, data = column.buffers()
    if index is None or len(column) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    all_offsets = np.frombuffer(index, np.int64 if pa.types.is_large_string(column.type) else np.int32)
    offsets = all_offsets[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return (np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)), offsets


def blocks(offsets: NDArray[np.int64], size: int = BLOCK_BYTES) -> Iterator[tuple[int, int]]:
    """Cut documents into runs [first, last) of about `size` bytes, at least one document each.

    The arrays of one block then stay in the processor's cache and memory does not grow with the piece.
    """
    first, rows = 0, offsets.size - 1
    while first < rows:
        last = int(np.searchsorted(offsets, offsets[first] + size, side="right")) - 1
        last = min(rows, max(first + 1, last))
        yield first, last
        first = last


def words(data: NDArray[np.uint8], offsets: NDArray[np.int64], rule: NDArray[np.uint32] | None = None) -> Words:
    """The words of each document.

    Args:
        data: uint8, UTF-8. Bytes that are not UTF-8 separate words; nothing past the end is read.
        offsets: int64 (documents + 1,).
        rule: what every code point is, as `letters.table` says it; another table is another word rule.
    """
    room = int(offsets[-1] - offsets[0] + offsets.size) // 2 + 1
    hashes, flags = np.empty(room, np.uint64), np.empty(room, np.uint8)
    starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    chars, counts = np.empty(room, np.int32), np.zeros(offsets.size, np.int64)
    n = _scan(data, offsets, table() if rule is None else rule, hashes, starts, ends, chars, flags, counts)
    return Words(hashes[:n], starts[:n], ends[:n], chars[:n], flags[:n], counts)


def count(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many words each document has: int64 (documents,)."""
    parts = [np.diff(words(data, offsets[a : b + 1]).offsets) for a, b in blocks(offsets)]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def normalise(column: Any, form: Form, *, most_words: int = 0, most_bytes: int = 0) -> pa.LargeStringArray:
    """Texts in a form in which what does not matter is gone. Applying it twice changes nothing more.

    Args:
        column: pa.Array or pa.ChunkedArray of strings.
        form: `space`: each run of white space is one space, none at the ends. `case`: that, and case
            folded. `words`: the words of the rule, folded, with one space between two of them unless
            both are characters of scripts written without spaces.
        most_words: for `words`, how many from the beginning; 0 for all.
        most_bytes: cut after the last whole character within so many bytes; 0 for no limit.
    """
    data, offsets = texts(column)
    size = int(offsets[-1] - offsets[0])
    out, ends = np.empty(3 * size + 8, np.uint8), np.zeros(offsets.size, np.int64)
    if form == "words":
        _write_words(data, offsets, table(), out, ends, most_words or size + 1, most_bytes or 3 * size + 8)
    else:
        _write_spaced(data, offsets, table(), out, ends, form == "case", most_bytes or 3 * size + 8)
    used = out[: ends[-1]].copy()
    return pa.LargeStringArray.from_buffers(offsets.size - 1, pa.py_buffer(ends), pa.py_buffer(used))


@kernel
def _decode(data, i, end):
    """Code point at byte i and its length; a byte that begins no character is U+FFFD, of length 1."""
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
def _encode(code, out, at):
    """Write a code point as UTF-8 and return the place after it."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at], out[at + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return at + 2
    if code < 0x10000:
        out[at], out[at + 1], out[at + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return at + 3
    out[at], out[at + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    out[at + 2], out[at + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return at + 4


@kernel
def _stir(state, held):
    state = (state ^ held) * _ODD
    return state ^ state >> _HALF


@kernel
def _scan(data, offsets, table, hashes, starts, ends, chars, flags, counts):
    """Words of every document into arrays; returns how many. Characters are packed into 64 bits and
    the bits mixed when they are full: 8 bits an ASCII character, 24 others (lowest byte ≥ 0x80)."""
    n = 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            code, size = _decode(data, i, end)
            entry = table[code]
            kind = entry >> _KIND & _SEVEN
            if kind != RUN and kind != ALONE:
                i += size
                continue
            alone = kind == ALONE
            start, last, length, seen = i, i, 0, entry
            state, held, fill = _ZERO, _ZERO, 0
            while True:
                i += size
                if kind != PASSED:
                    folded = np.uint64(entry & _FOLD)
                    seen |= entry
                    length += 1
                    last = i
                    wide = folded >= np.uint64(0x80)
                    if fill == 64 or (wide and fill > 40):
                        state = _stir(state, held)
                        held, fill = _ZERO, 0
                    if wide:
                        low = (folded & np.uint64(0x7F)) | np.uint64(0x80)
                        folded = low | folded >> np.uint64(7) << np.uint64(8)
                    held |= folded << np.uint64(fill)
                    fill += 24 if wide else 8
                if i >= end:
                    break
                code, size = _decode(data, i, end)
                entry = table[code]
                kind = entry >> _KIND & _SEVEN
                if kind < RUN or kind == ALONE or (alone and kind == RUN):
                    break
            state = (state ^ held) * _ODD
            state = (state ^ state >> _SHIFT) * _MIX1
            state = (state ^ state >> _SHIFT) * _MIX2
            hashes[n] = state ^ state >> _SHIFT
            starts[n], ends[n], chars[n] = start, last, length
            flags[n] = np.uint8(seen >> _LETTER & _ONE) | np.uint8(2 if alone else 0)
            n += 1
        counts[d + 1] = n
    return n


@kernel
def _write_words(data, offsets, table, out, ends, most_words, most_bytes):
    at = 0
    for d in range(offsets.size - 1):
        i, end, limit = offsets[d], offsets[d + 1], at + most_bytes
        found, before, last_alone = 0, 0, False
        while i < end:
            code, size = _decode(data, i, end)
            kind = table[code] >> _KIND & _SEVEN
            i += size
            if kind == PASSED:
                continue
            begins = kind == ALONE or (kind == RUN and before != RUN)
            if kind < RUN or (kind == MARK and before == 0):
                before = 0
                continue
            back = at
            if begins:
                if found == most_words:
                    break
                if found and not (kind == ALONE and last_alone):
                    out[at] = 32
                    at += 1
                found += 1
                before = kind
                last_alone = kind == ALONE
            at = _encode(np.int64(table[code] & _FOLD), out, at)
            if at > limit:
                at = back
                break
        ends[d + 1] = at


@kernel
def _write_spaced(data, offsets, table, out, ends, fold, most_bytes):
    at = 0
    for d in range(offsets.size - 1):
        i, end, first, limit, gap = offsets[d], offsets[d + 1], at, at + most_bytes, False
        while i < end:
            code, size = _decode(data, i, end)
            entry = table[code]
            i += size
            if entry >> _KIND & _SEVEN == SPACE:
                gap = at > first
                continue
            back = at
            if gap:
                out[at] = 32
                at += 1
                gap = False
            at = _encode(np.int64(entry & _FOLD) if fold else code, out, at)
            if at > limit:
                at = back
                break
        ends[d + 1] = at
