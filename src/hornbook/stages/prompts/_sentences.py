"""Ends and beginnings of texts that fall together with those of sentences."""

from __future__ import annotations

from hornbook.kernels.sentences import sentences

_CLOSERS = "\"'\u201d\u2019\u00bb\u300d\u300f)]*_\uff09\u3011\u300b"
_ENDS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f", "\u061f", "\u06d4", "\u0964", "\u0965")
_TAIL = 4_000
"""Characters at the end of a text in which the end of a sentence is looked for; our choice: none is longer."""


def ending(text: str, most: int) -> str:
    """A text's last `most` characters, from the beginning of a sentence, else from that of a word."""
    text = text.strip()
    if len(text) <= most:
        return text
    start = len(text) - most
    tail = text[start - 1 :]
    whole_ones = [at for at, _ in sentences(tail) if at > 0]
    if whole_ones:
        return tail[whole_ones[0] :]
    space = next((at for at, letter in enumerate(tail[: most // 2]) if letter.isspace()), 0)
    return tail[space + 1 :].strip()


def whole(text: str) -> str:
    """A text without the sentence that it broke off in; all of it where that is all there is."""
    text = text.rstrip()
    start = max(0, len(text) - _TAIL)
    found = sentences(text[start:])
    if not found or text.rstrip(_CLOSERS).endswith(_ENDS):
        return text
    return text[: start + found[-1][0]].rstrip() if start + found[-1][0] > 0 else text
