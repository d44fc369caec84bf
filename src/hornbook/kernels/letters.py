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
READ = ((0, 0x1FFFF), (0xE0000, 0xE01FF))
"""Code points that are looked up one by one; beyond them there are only Han and what is no letter."""


@lru_cache(maxsize=1)
def table() -> NDArray[np.uint32]:
    """Every code point's folded form (bits 0-20), kind (21-23) and whether it is a letter (24).

    uint32 (1,114,112,), 4.5 MB, made once a process in some 70 ms.
    """
    entries = np.zeros(0x110000, np.uint32)
    for first, last in READ:
        codes = range(first, last + 1)
        kinds, letters = _kinds(codes)
        entries[first : last + 1] = _folds(codes, kinds) | kinds << np.uint32(KIND_AT) | letters << np.uint32(LETTER_AT)
    first, last = HAN_PLANES
    span = np.arange(first, last + 1, dtype=np.uint32)
    entries[first : last + 1] = span | np.uint32(ALONE << KIND_AT | 1 << LETTER_AT)
    rest = np.flatnonzero((entries & np.uint32(0x1FFFFF)) == 0).astype(np.uint32)
    entries[rest] |= rest
    return entries


def _kinds(codes: range) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """(kinds, 1 where it is a letter) of code points that follow each other."""
    characters = [chr(code) for code in codes]
    categories = [unicodedata.category(character) for character in characters]
    major = np.array([category[0] for category in categories])
    exact = np.array(categories)
    solo = np.zeros(len(codes), bool)
    for _, first, last in SOLO:
        solo[max(0, first - codes.start) : max(0, last + 1 - codes.start)] = True
    kinds = np.full(len(codes), OTHER, np.uint32)
    kinds[[character.isspace() for character in characters]] = SPACE
    run = (major == "L") | (major == "N")
    kinds[run] = RUN
    kinds[run & solo & (exact != "Nd")] = ALONE
    kinds[major == "M"] = MARK
    kinds[exact == "Cf"] = PASSED
    if ZERO_WIDTH_SPACE in codes:
        kinds[ZERO_WIDTH_SPACE - codes.start] = SPACE
    return kinds, ((major == "L") | (kinds == ALONE)).astype(np.uint32)


def _folds(codes: range, kinds: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What each code point is compared as: what one character folds to, where that is of the same kind."""
    found = np.arange(codes.start, codes.stop, dtype=np.uint32)
    for code in codes:
        character = chr(code)
        if character.casefold() == character and character.lower() == character:
            continue
        for folded in (character.casefold(), character.lower()):
            if len(folded) == 1:
                other = ord(folded)
                same = other == code or (other in codes and kinds[other - codes.start] == kinds[code - codes.start])
                found[code - codes.start] = other if same else code
                break
    return found
