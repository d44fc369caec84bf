# ruff: noqa: ANN001, ANN202, C901, PLR1714 (kernels are typed by what they are given)
"""Syllables of words in Latin letters, by a rule for English that needs no dictionary."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.words import Words


def syllables(data: NDArray[np.uint8], words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the syllables of each document's words.

    A syllable is a run of the vowels a e i o u y (accented too). An e at the end is silent, unless it is the only vowel
    or stands behind a consonant and l; so is the e of `es` and `ed` at the end, unless it stands behind s, x, z, t, d,
    or c, g, h, or a consonant and l, with `es`. Every word has one at least.

    Args:
        data: what the words were read from, uint8, UTF-8. words: of the documents.

    Returns:
        syllables, words that were counted, and letters of those: int64 (documents,). A word counts that begins with a
        Latin letter.
    """
    out = np.zeros((3, words.offsets.size - 1), np.int64)
    _syllables(data, words.starts, words.ends, words.chars, words.offsets, _bases(), out)
    return out[0], out[1], out[2]


def _bases() -> NDArray[np.uint8]:
    """The plain small letter of each Latin letter below U+0250, 0 for others: uint8 (592,)."""
    bases = np.zeros(0x250, np.uint8)
    for code in range(0x250):
        plain = unicodedata.normalize("NFD", chr(code).lower())[0]
        if chr(code).isalpha():
            bases[code] = ord(plain) if plain.isascii() else ord("q")
    for letter, base in (("æ", "a"), ("œ", "o"), ("ø", "o"), ("ı", "i")):
        bases[ord(letter)] = bases[ord(letter.upper()) if letter != "ı" else ord(letter)] = ord(base)
    return bases


@kernel
def _vowel(letter):
    return letter == 97 or letter == 101 or letter == 105 or letter == 111 or letter == 117 or letter == 121


@kernel
def _syllables(data, starts, ends, chars, offsets, bases, out):
    for d in range(offsets.size - 1):
        for w in range(offsets[d], offsets[d + 1]):
            i, end = starts[w], ends[w]
            z, a, b, c, runs, length, last = 0, 0, 0, 0, 0, 0, 0
            while i < end:
                lead = np.int64(data[i])
                code, size = lead, 1
                if lead >= 0x80:
                    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                    code = lead & (0xFF >> (size + 1))
                    for k in range(1, min(size, end - i)):
                        code = code << 6 | (np.int64(data[i + k]) & 0x3F)
                i += size
                last = code
                letter = np.int64(bases[code]) if code < bases.size else 0
                if length == 0 and letter == 0:
                    break
                if _vowel(letter) and not _vowel(c):
                    runs += 1
                z, a, b, c = a, b, c, letter
                length += 1
            if length == 0:
                continue
            if runs > 1:
                if c == 101 and last | 32 == 101 and not _vowel(b) and not (b == 108 and not _vowel(a)):
                    runs -= 1
                elif c == 115 and b == 101 and not _vowel(a):
                    runs -= not (
                        (a == 108 and not _vowel(z))
                        or a == 115
                        or a == 120
                        or a == 122
                        or a == 99
                        or a == 103
                        or a == 104
                    )
                elif c == 100 and b == 101 and not _vowel(a):
                    runs -= not (a == 116 or a == 100)
            out[0, d] += max(1, runs)
            out[1, d] += 1
            out[2, d] += chars[w]
