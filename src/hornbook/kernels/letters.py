"""Letters: what every code point is to the one word rule of `hornbook.kernels.words`.

Which characters are letters is what Python's `unicodedata` says, so characters that are younger than
Python's Unicode version are separators, except in the two planes set aside for Han.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

OTHER, SPACE, RUN, ALONE, MARK, PASSED = range(6)
KIND_AT, LETTER_AT = 21, 24

SOLO: tuple[tuple[str, int, int], ...] = (
    ("Thai", 0x0E00, 0x0E7F),
    ("Lao", 0x0E80, 0x0EFF),
    ("Tibetan", 0x0F00, 0x0FFF),
    ("Myanmar", 0x1000, 0x109F),
    ("Khmer", 0x1780, 0x17FF),
    ("Tai Le, New Tai Lue", 0x1950, 0x19DF),
    ("Tai Tham", 0x1A20, 0x1AAF),
    ("Balinese", 0x1B00, 0x1B7F),
    ("Han radicals", 0x2E80, 0x2FDF),
    ("Han marks and numbers", 0x3005, 0x3007),
    ("Hangzhou numerals", 0x3021, 0x3029),
    ("Han iteration marks", 0x3031, 0x303C),
    ("Hiragana, Katakana", 0x3040, 0x30FF),
    ("Bopomofo", 0x3105, 0x312F),
    ("Bopomofo extended", 0x31A0, 0x31BF),
    ("Katakana extensions", 0x31F0, 0x31FF),
    ("Han extension A", 0x3400, 0x4DBF),
    ("Han", 0x4E00, 0x9FFF),
    ("Yi", 0xA000, 0xA4CF),
    ("Javanese", 0xA980, 0xA9DF),
    ("Myanmar extended B", 0xA9E0, 0xA9FF),
    ("Cham", 0xAA00, 0xAA5F),
    ("Myanmar extended A", 0xAA60, 0xAA7F),
    ("Tai Viet", 0xAA80, 0xAADF),
    ("Han compatibility", 0xF900, 0xFAFF),
    ("Katakana, half width", 0xFF66, 0xFF9F),
    ("Ahom", 0x11700, 0x1174F),
    ("Tangut, Khitan, Nushu", 0x16FE0, 0x18DFF),
    ("Kana supplements", 0x1AFF0, 0x1B16F),
    ("Nushu", 0x1B170, 0x1B2FF),
)
HAN_PLANES = (0x20000, 0x3FFFD)
ZERO_WIDTH_SPACE = 0x200B


@lru_cache(maxsize=1)
def table() -> NDArray[np.uint32]:
    """Every code point's folded form (bits 0-20), kind (21-23) and whether it is a letter (24).

    uint32 (1,114,112,), 4.5 MB, made once a process in about 0.1 s.
    """
    entries = np.zeros(0x110000, np.uint32)
    for code in (*range(0x20000), *range(0xE0000, 0xE0200)):
        kind, letter = _kind(code)
        entries[code] = _fold(code, kind) | kind << KIND_AT | letter << LETTER_AT
    first, last = HAN_PLANES
    span = np.arange(first, last + 1, dtype=np.uint32)
    entries[first : last + 1] = span | np.uint32(ALONE << KIND_AT | 1 << LETTER_AT)
    rest = np.flatnonzero((entries & np.uint32(0x1FFFFF)) == 0).astype(np.uint32)
    entries[rest] |= rest
    return entries


def _kind(code: int) -> tuple[int, int]:
    character = chr(code)
    category = unicodedata.category(character)
    letter = int(category[0] == "L")
    if category[0] in "LN":
        alone = category != "Nd" and any(first <= code <= last for _, first, last in SOLO)
        return (ALONE if alone else RUN), int(letter or alone)
    if category[0] == "M":
        return MARK, 0
    if category == "Cf" and code != ZERO_WIDTH_SPACE:
        return PASSED, 0
    return (SPACE if character.isspace() or code == ZERO_WIDTH_SPACE else OTHER), 0


def _fold(code: int, kind: int) -> int:
    for folded in (chr(code).casefold(), chr(code).lower()):
        if len(folded) == 1:
            return ord(folded) if folded == chr(code) or _kind(ord(folded))[0] == kind else code
    return code
