"""quality.repetition: documents that say the same again and again, by Gopher's table."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

_GOPHER = "Gopher, arXiv:2112.11446, table A1"


def _limit(default: float, what: str, unit: str) -> Any:
    return knob(default, help=f"largest {what}, 0 to 1", unit=unit, source=_GOPHER, threshold=True, ge=0.0, le=1.0)


class Repetition(Each):
    """Marks each document with the thirteen shares of Gopher's table and drops those above a limit.

    Marks, each float64 from 0 to 1: `quality.dup_lines`, `quality.dup_paragraphs` (shares of lines and
    paragraphs that stood before), `quality.dup_line_chars`, `quality.dup_paragraph_chars` (their share
    of the characters), `quality.top_2gram` to `quality.top_4gram` (share of the characters in the most
    frequent n-gram of words, null in documents shorter than `min_words`), `quality.dup_5gram` to
    `quality.dup_10gram` (share of the characters in n-grams that stood before).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    max_lines: float = _limit(0.30, "share of duplicate lines", "share of lines")
    max_paragraphs: float = _limit(0.30, "share of duplicate paragraphs", "share of paragraphs")
    max_line_chars: float = _limit(0.20, "share of characters in duplicate lines", "share of characters")
    max_paragraph_chars: float = _limit(0.20, "share of characters in duplicate paragraphs", "share of characters")
    max_top_2gram: float = _limit(0.20, "share of characters in the top 2-gram", "share of characters")
    max_top_3gram: float = _limit(0.18, "share of characters in the top 3-gram", "share of characters")
    max_top_4gram: float = _limit(0.16, "share of characters in the top 4-gram", "share of characters")
    max_dup_5gram: float = _limit(0.15, "share of characters in repeated 5-grams", "share of characters")
    max_dup_6gram: float = _limit(0.14, "share of characters in repeated 6-grams", "share of characters")
    max_dup_7gram: float = _limit(0.13, "share of characters in repeated 7-grams", "share of characters")
    max_dup_8gram: float = _limit(0.12, "share of characters in repeated 8-grams", "share of characters")
    max_dup_9gram: float = _limit(0.11, "share of characters in repeated 9-grams", "share of characters")
    max_dup_10gram: float = _limit(0.10, "share of characters in repeated 10-grams", "share of characters")
    min_words: int = knob(
        50,
        help="the top n-gram shares of documents with fewer words are not taken, for there two "
        "occurrences of one n-gram are enough to pass the limit",
        unit="words",
        source="Gopher, arXiv:2112.11446, section A.1.1: no document had fewer",
        ge=0,
    )

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.repetition import lines, ngrams
        from hornbook.kernels.words import blocks, texts, words

        data, offsets = texts(piece.column(TEXT))
        found = lines(data, offsets)
        top, again = np.zeros((3, piece.num_rows)), np.zeros((6, piece.num_rows))
        enough = np.zeros(piece.num_rows, bool)
        for first, last in blocks(offsets):
            block = words(data, offsets[first : last + 1])
            tops, agains = ngrams(block)
            top[:, first:last], again[:, first:last] = tops.T, agains.T
            enough[first:last] = np.diff(block.offsets) >= self.min_words
        marks: dict[str, Any] = {
            "dup_lines": _share(found.same_lines, found.lines),
            "dup_paragraphs": _share(found.same_paragraphs, found.paragraphs),
            "dup_line_chars": _share(found.same_line_chars, found.chars),
            "dup_paragraph_chars": _share(found.same_paragraph_chars, found.chars),
        }
        for at, n in enumerate((2, 3, 4)):
            marks[f"top_{n}gram"] = pa.array(_share(top[at], found.chars), mask=~enough)
        for at, n in enumerate(range(5, 11)):
            marks[f"dup_{n}gram"] = _share(again[at], found.chars)
        return pa.table({f"quality.{name}": values for name, values in marks.items()})

    def drops(self) -> dict[str, Rule]:
        names = ["lines", "paragraphs", "line_chars", "paragraph_chars"]
        rules = {f"duplicate_{name}": Rule(f"quality.dup_{name}", ">", getattr(self, f"max_{name}")) for name in names}
        for n in range(2, 11):
            name = f"top_{n}gram" if n < 5 else f"dup_{n}gram"
            reason = f"top_{n}gram" if n < 5 else f"repeated_{n}gram"
            rules[reason] = Rule(f"quality.{name}", ">", getattr(self, f"max_{name}"))
        return rules


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """part / whole, 0 where whole is 0 and at most 1."""
    return np.minimum(1.0, part / np.maximum(1, whole)).astype(np.float64)
