"""quality.repetition: documents that say the same again and again, by Gopher's table."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._repeating import GRAMS, NAMES, Compat, counted, cut, gram_marks, line_marks, rules

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

    compat: Compat = knob(
        "none",
        help="datatrove: spaCy's English tokens, lines and n-grams exactly as GopherRepetitionFilter counts them; "
        "`min_words` is not looked at",
        source="huggingface/datatrove 0.10.1, pipeline/filters/gopher_repetition_filter.py",
    )

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.words import blocks, texts

        data, offsets = texts(piece.column(TEXT))
        top, again = np.zeros((piece.num_rows, 3)), np.zeros((piece.num_rows, 6))
        enough = np.zeros(piece.num_rows, bool)
        for first, last in blocks(offsets):
            block = cut(data, offsets[first : last + 1], self.compat)
            top[first:last], again[first:last] = counted(block, self.compat)
            enough[first:last] = np.diff(block.offsets) >= self.min_words
        shares, chars = line_marks(data, offsets, self.compat)
        marks: dict[str, Any] = shares | gram_marks(top, again, chars)
        if self.compat == "none":
            marks |= {name: pa.array(marks[name], mask=~enough) for name in GRAMS[:3]}
        else:
            marks["characters"] = chars
        return pa.table({f"quality.{name}": values for name, values in marks.items()})

    def drops(self) -> dict[str, Rule]:
        found = rules({name: getattr(self, f"max_{name}") for name in (*NAMES, *GRAMS)}, self.compat)
        return found if self.compat == "none" else {"empty": Rule("quality.characters", "==", 0)} | found
