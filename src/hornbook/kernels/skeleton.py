# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Skeletons: what is left of a text when all that changes its look but not its content is taken away.

Letters and digits alone are kept, without spaces, each in one form:

1. compatibility forms are what they stand for (Unicode NFKD: full width, mathematical, circled letters, ligatures,
   superscripts), and letter case is folded; a syllable of Hangul stays whole;
2. accents and all other marks that take no room (category Mn, Me) are gone, and so are invisible characters;
3. decimal digits of every script are 0 to 9;
4. a letter that looks like one of a to z is that one (`lookalikes.tsv`, from Unicode's UTS #39), for the alphabets of
   which look-alikes are made: Latin beyond ASCII, Greek, Cyrillic, Armenian, Cherokee, Lisu, Coptic. Real Russian or
   Greek is written the same way on both sides, so it loses nothing but some differences between letters. An l is an i:
   their capital, small and foreign forms look alike in every combination.

What is left is UTF-8 again. Its bytes are a measure of content that is fair to most scripts: a letter of Latin is one,
of Cyrillic or Arabic two, a character of Han three.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel
from hornbook.kernels.letters import HAN_PLANES, READ

_LENGTH = np.uint32(63)
_SIX = np.uint32(6)
_HANGUL = (0xAC00, 0xD7A3)


@lru_cache(maxsize=1)
def table() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """What is written for each code point: uint32 (1,114,112,), place in the bytes × 64 + how many; uint8, the bytes.

    4.5 MB, made once a process in about 0.3 s.
    """
    alike = _lookalikes()
    entries = np.zeros(0x110000, np.uint32)
    written: dict[str, int] = {"": 0}
    blob = bytearray()
    first, last = HAN_PLANES
    for codes in (*(range(a, b + 1) for a, b in READ), range(first, last + 1)):
        for code in codes:
            form = chr(code) if code > READ[0][1] and code <= last else _form(chr(code), alike)
            if not form:
                continue
            raw = form.encode()
            if form not in written:
                written[form] = len(blob) << 6 | len(raw)
                blob += raw
            entries[code] = written[form]
    return entries, np.frombuffer(bytes(blob), np.uint8)


def _form(character: str, alike: dict[str, str]) -> str:
    """The skeleton of one character."""
    if character in alike:
        return alike[character]
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.digit(character))
    if kind[0] not in "LNMS":
        return ""
    if _HANGUL[0] <= ord(character) <= _HANGUL[1]:
        return character
    apart = unicodedata.normalize("NFKD", character)
    if apart == character and kind[0] == "S":
        return ""
    out = []
    for one in unicodedata.normalize("NFKD", apart.casefold()):
        kind = unicodedata.category(one)
        if kind == "Nd":
            out.append(str(unicodedata.digit(one)))
        elif kind[0] in "LN" or kind == "Mc":
            out.append(alike.get(one, one))
    return "".join(out)[:20].replace("l", "i")


def _lookalikes() -> dict[str, str]:
    lines = resources.files("hornbook.kernels").joinpath("lookalikes.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {other: letter.replace("l", "i") for letter, others in rows for other in others}


@dataclass(frozen=True, slots=True)
class Skeletons:
    """The skeletons of some texts.

    Args:
        data: uint8, UTF-8; a multiple of four bytes.
        starts, ends: int64 (texts,), where each stands in the data; every start is a multiple of four.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def text(self, at: int) -> str:
        """One skeleton."""
        return self.data[self.starts[at] : self.ends[at]].tobytes().decode()


def squash(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Skeletons:
    """The skeletons of some texts.

    Args:
        data: uint8, UTF-8; bytes that are not UTF-8 are passed over.
        offsets: int64 (texts + 1,).
    """
    entries, blob = table()
    rows = offsets.size - 1
    room = int(offsets[-1] - offsets[0]) + 4 * rows + 128
    starts, ends = np.empty(rows, np.int64), np.empty(rows, np.int64)
    while True:
        out = np.empty(room, np.uint8)
        used = _squash(data, offsets, entries, blob, _ascii(), out, starts, ends)
        if used >= 0:
            return Skeletons(out[:used], starts, ends)
        room *= 4


def places(data: NDArray[np.uint8], first: int, last: int) -> NDArray[np.int64]:
    """For each byte of the skeleton of one text `data[first:last]`, where its character begins; then `last`."""
    entries, _ = table()
    [size] = squash(data, np.array([first, last], np.int64)).ends
    out = np.empty(size + 1, np.int64)
    _places(data, first, last, entries, out)
    out[size] = last
    return out


@lru_cache(maxsize=1)
def _ascii() -> NDArray[np.uint16]:
    """What ASCII bytes become: low byte what is written, high byte 1 where it is."""
    entries, blob = table()
    out = np.zeros(128, np.uint16)
    for code in range(128):
        if entries[code] & _LENGTH:
            out[code] = 256 | int(blob[int(entries[code]) >> 6])
    return out


@kernel
def _decode(data, i, end):
    """Code point at byte i and its length; 0 and 1 for a byte that begins no character."""
    lead = np.int64(data[i])
    if lead < 0x80:
        return lead, 1
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if lead < 0xC2 or lead > 0xF4 or i + size > end:
        return 0, 1
    code = lead & (0xFF >> (size + 1))
    for k in range(1, size):
        code = code << 6 | (np.int64(data[i + k]) & 0x3F)
    return (code, size) if code < 0x110000 else (0, 1)


@kernel
def _squash(data, offsets, entries, blob, plain, out, starts, ends):
    """Write skeletons; returns how many bytes, -1 where there is no room."""
    at, room = np.int64(0), out.size - 64
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while at & 3:
            out[at] = 0
            at += 1
        starts[d] = at
        while i < end:
            stop = min(end, i + room - at)
            while i < stop and data[i] < 0x80:
                entry = plain[data[i]]
                out[at] = np.uint8(entry & 255)
                at += np.int64(entry >> 8)
                i += 1
            if i >= end:
                break
            if at >= room:
                return -1
            code, size = _decode(data, i, end)
            entry = entries[code]
            start = np.int64(entry >> _SIX)
            for k in range(np.int64(entry & _LENGTH)):
                out[at] = blob[start + k]
                at += 1
            i += size
        ends[d] = at
        if at >= room:
            return -1
    while at & 3:
        out[at] = 0
        at += 1
    return at


@kernel
def _places(data, first, last, entries, out):
    i, at = first, 0
    while i < last:
        code, size = _decode(data, i, last)
        for _ in range(np.int64(entries[code] & _LENGTH)):
            out[at] = i
            at += 1
        i += size
