"""quality.length: documents too short or too long."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

_GOPHER = "Gopher, arXiv:2112.11446, section A.1.1"


class Length(Each):
    """Counts characters, words and lines, and drops documents outside the limits.

    Marks: `quality.characters` (Unicode code points), `quality.words` (the word rule of
    `hornbook.kernels.words`), `quality.lines` (lines that hold more than white space), all int64.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    min_words: int = knob(50, help="fewest words", unit="words", source=_GOPHER, threshold=True, ge=0)
    max_words: int | None = knob(
        100_000, help="most words; null for no limit", unit="words", source=_GOPHER, threshold=True, ge=0
    )
    min_characters: int = knob(0, help="fewest characters", unit="characters", threshold=True, ge=0)
    max_characters: int | None = knob(
        None, help="most characters; null for no limit", unit="characters", threshold=True, ge=0
    )

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.repetition import lines
        from hornbook.kernels.words import count, texts

        data, offsets = texts(piece.column(TEXT))
        counts = lines(data, offsets)
        return pa.table(
            {
                "quality.characters": pa.array(counts.chars),
                "quality.words": pa.array(count(data, offsets)),
                "quality.lines": pa.array(counts.lines),
            }
        )

    def drops(self) -> dict[str, Rule]:
        rules = {"too_short": Rule("quality.words", "<", self.min_words)}
        if self.max_words is not None:
            rules["too_long"] = Rule("quality.words", ">", self.max_words)
        if self.min_characters:
            rules["few_characters"] = Rule("quality.characters", "<", self.min_characters)
        if self.max_characters is not None:
            rules["many_characters"] = Rule("quality.characters", ">", self.max_characters)
        return rules
