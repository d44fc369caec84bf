"""Gopher's thirteen shares of repetition, for `quality.repetition` and `quality.gopher`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hornbook.core.rules import Rule

Compat = Literal["none", "datatrove"]
NAMES = ("lines", "paragraphs", "line_chars", "paragraph_chars")
GRAMS = (*(f"top_{n}gram" for n in (2, 3, 4)), *(f"dup_{n}gram" for n in range(5, 11)))


def counted(words: Any, compat: Compat) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Characters in top and in repeated n-grams of a block's words: (documents, 3), (documents, 6)."""
    if compat == "datatrove":
        from hornbook.kernels.datatrove import ngrams as exactly

        return exactly(words)
    from hornbook.kernels.repetition import ngrams

    return ngrams(words)


def cut(data: NDArray[np.uint8], offsets: NDArray[np.int64], compat: Compat) -> Any:
    """The words of a block, by the one word rule or as spaCy cuts English."""
    if compat == "datatrove":
        from hornbook.kernels.english import tokens

        return tokens(data, offsets)
    from hornbook.kernels.words import words

    return words(data, offsets)


def line_marks(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], compat: Compat
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Shares of duplicate lines and paragraphs and of their characters, by their marks; and the characters of each."""
    from hornbook.kernels.repetition import lines

    found = lines(data, offsets)
    if compat == "none":
        marks = {
            "dup_lines": share(found.same_lines, found.lines),
            "dup_paragraphs": share(found.same_paragraphs, found.paragraphs),
            "dup_line_chars": share(found.same_line_chars, found.chars),
            "dup_paragraph_chars": share(found.same_paragraph_chars, found.chars),
        }
        return marks, found.chars
    from hornbook.kernels.datatrove import lines as exactly

    paragraphs, same_paragraphs, paragraph_chars, rows, same_rows, row_chars = exactly(data, offsets)
    marks = {
        "dup_lines": share(same_rows, rows),
        "dup_paragraphs": share(same_paragraphs, paragraphs),
        "dup_line_chars": share(row_chars, found.chars),
        "dup_paragraph_chars": share(paragraph_chars, found.chars),
    }
    return marks, found.chars


def rules(limits: dict[str, float | None], compat: Compat) -> dict[str, Rule]:
    """Reason → rule for the limits that are there; in datatrove's order for `compat`."""
    order = ("paragraphs", "paragraph_chars", "lines", "line_chars") if compat == "datatrove" else NAMES
    found = {
        f"duplicate_{name}": Rule(f"quality.dup_{name}", ">", limits[name]) for name in order if _set(limits, name)
    }
    for name in GRAMS:
        if _set(limits, name):
            found[name.replace("dup_", "repeated_")] = Rule(f"quality.{name}", ">", limits[name])
    return found


def share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """part / whole, 0 where whole is 0 and at most 1."""
    return np.minimum(1.0, part / np.maximum(1, whole)).astype(np.float64)


def gram_marks(top: NDArray[Any], again: NDArray[Any], chars: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Shares of characters in n-grams, by the names of their marks. top: (documents, 3), again: (documents, 6)."""
    both = np.concatenate([top, again], axis=1)
    return {name: share(both[:, at], chars) for at, name in enumerate(GRAMS)}


def _set(limits: dict[str, float | None], name: str) -> bool:
    return limits[name] is not None
