"""Sentences: where one ends, in English, in Chinese and in what is written like them.

A sentence ends

1. after `.`, `!`, `?`, `…` and their like, with the quotes and brackets that close behind them, where white space
   or the end follows. A single `.` does not end one after a title or an abbreviation that something always follows
   (`Dr.`, `e.g.`), after one that a number follows (`Fig. 3`), after an initial (`J. Smith`), after a number that
   begins a line, nor does any run of dots before a small letter.
2. after `。`, `！`, `？` and what closes behind them, whatever follows.
3. at a blank line, before a line that begins as an item of a list, a heading, a quotation or a row of a table, and
   after a heading.

It is a rule, not a model: it is linear in the text, needs no data, and errs where an abbreviation ends a sentence.
"""

from __future__ import annotations

import re

_CLOSERS = r"[\"'\u201d\u2019\u00bb\u300d\u300f)\]*_\uff09\u3011\u300b]*+"
_END = re.compile(
    rf"(?P<dot>[.!?\u2026\u203d\u061f\u06d4\u0964\u0965]++){_CLOSERS}(?=\s|$)"
    rf"|[\u3002\uff01\uff1f\uff61]++[.!?\u2026]*+{_CLOSERS}"
    r"|\n[^\S\n]*+\n\s*+"
    r"|\n(?=[^\S\n]{0,8}(?:[-*\u2022#>|]|\d{1,3}[.)]\s))"
    r"|(?<=\n)#[^\n]*+\n"
    r"|\A#[^\n]*+\n"
)
_LAST = re.compile(r"[^\W_]+(?:\.[^\W_]+)*\Z")
_FOLLOWED = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "mt",
        "gen",
        "col",
        "sgt",
        "capt",
        "lt",
        "rev",
        "hon",
        "gov",
        "sen",
        "rep",
        "pres",
        "messrs",
        "mme",
        "e.g",
        "i.e",
        "cf",
        "viz",
        "vs",
        "approx",
    ]
)
"""What stands before something by nature."""
_NUMBERED = frozenset(
    ["no", "nos", "fig", "figs", "eq", "eqs", "vol", "vols", "p", "pp", "ch", "sec", "art", "ca", "c"]
)
"""What stands before a number by nature."""
_BACK, _ON = 24, 8
"""Characters looked at before and after a dot."""


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text as ranges of characters, without white space at their ends.

    What holds neither letter nor digit is no sentence, so ranges may leave gaps.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for mark in _END.finditer(text):
        dots = mark["dot"]
        if dots and dots[-1] in ".\u2026" and not _ends(text, mark.start(), mark.end(), dots == "."):
            continue
        _add(found, text, start, mark.end())
        start = mark.end()
    _add(found, text, start, len(text))
    return found


def said(text: str) -> list[str]:
    """The sentences of a text."""
    return [text[start:end] for start, end in sentences(text)]


def _ends(text: str, dot: int, end: int, single: bool) -> bool:
    """Whether a dot, or a run of them, ends a sentence."""
    after = text[end : end + _ON].lstrip()[:1]
    if not single or not after or after.islower():
        return not after.islower()
    if not text[dot - 1 : dot].isalnum():
        return True
    last = _LAST.search(text[max(0, dot - _BACK) : dot])
    if last is None:
        return True
    word = last[0]
    if len(word) == 1 and word.isupper() and word != "I":
        return False
    if word.isdigit() and text[dot - len(word) - 1 : dot - len(word)] in ("", "\n"):
        return False
    folded = word.lower()
    return not (folded in _FOLLOWED or (folded in _NUMBERED and after.isdigit()))


def _add(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    whole = piece.strip()
    if whole and any(map(str.isalnum, whole)):
        first = start + len(piece) - len(piece.lstrip())
        found.append((first, first + len(whole)))
