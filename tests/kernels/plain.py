"""The one word rule and Gopher's measures again, read word for word in plain Python: slow and obvious."""

from __future__ import annotations

import unicodedata
from collections import Counter

from hornbook.kernels.letters import SOLO


def kind(character: str) -> str:
    """separator, run, alone, mark or passed."""
    category, code = unicodedata.category(character), ord(character)
    if 0x20000 <= code <= 0x3FFFD:
        return "alone"
    if category[0] in "LN":
        without_spaces = any(first <= code <= last for _, first, last in SOLO)
        return "alone" if without_spaces and category != "Nd" else "run"
    if category[0] == "M":
        return "mark"
    return "passed" if category == "Cf" and character != "\u200b" else "separator"


def fold(character: str) -> str:
    """Simple case folding of one character, within its kind."""
    if 0x20000 <= ord(character) <= 0x3FFFD:
        return character
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded if kind(folded) == kind(character) else character
    return character


def words(text: str) -> list[tuple[str, int, int]]:
    """(folded word, first character, one behind its last character) for each word."""
    found: list[tuple[str, int, int]] = []
    now, start, end, alone = "", 0, 0, False
    for at, character in enumerate(text + " "):
        what = kind(character)
        if what == "passed":
            continue
        goes_on = now and (what == "mark" or (what == "run" and not alone))
        if now and not goes_on:
            found.append((now, start, end))
            now = ""
        if goes_on or what in ("run", "alone"):
            if not now:
                start, alone = at, what == "alone"
            now, end = now + fold(character), at + 1
    return found


def lines(text: str) -> list[str]:
    return [line for line in (raw.rstrip(" \t\r\x0b\x0c") for raw in text.split("\n")) if line]


def paragraphs(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for raw in text.split("\n"):
        line = raw.rstrip(" \t\r\x0b\x0c")
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def top(found: list[tuple[str, int, int]], n: int) -> int:
    """datatrove's find_top_duplicate, where the n-gram occurs twice at least."""
    grams = [tuple(word for word, _, _ in found[i : i + n]) for i in range(len(found) - n + 1)]
    if not grams:
        return 0
    gram, times = Counter(grams).most_common(1)[0]
    if times < 2:
        return 0
    at = grams.index(gram)
    gaps = sum(found[k][1] > found[k - 1][2] for k in range(at + 1, at + n))
    return times * (sum(map(len, gram)) + gaps)


def again(found: list[tuple[str, int, int]], n: int) -> int:
    """datatrove's find_all_duplicate, with n-grams compared word by word instead of run together."""
    names = [word for word, _, _ in found]
    unique, repeated, at = set(), 0, 0
    while at < len(names) - n + 1:
        gram = tuple(names[at : at + n])
        if gram in unique:
            repeated += sum(map(len, gram))
            at += n
        else:
            unique.add(gram)
            at += 1
    return repeated
