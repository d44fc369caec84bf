"""decontaminate.ngrams: documents that hold items of the exams."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

if TYPE_CHECKING:
    from hornbook.stages.decontaminate._matching import Match

_COSMOPEDIA = "Cosmopedia, huggingface/cosmopedia 38789ca, decontamination/decontaminate.py"


class Ngrams(Each):
    """Finds benchmark items by shared n-grams of words, aligns each with the text, drops what holds one.

    Marks of the best match, null where no item shares an n-gram: `decontaminate.benchmark` (string, the
    file's name), `decontaminate.item` (string, file and item), `decontaminate.ratio` (float64, share of
    the item's characters found, in runs of more than 5, around the shared n-gram), `decontaminate.span`
    (string, the longest such run, normalised, at most 300 characters).
    """

    version: ClassVar[str] = "2"
    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    against: list[InputPath] = knob(
        help="files, folders or globs of items that must not be in the data; [] checks nothing", unit="paths"
    )
    n: int = knob(10, help="shared words that make a candidate", unit="words", source=_COSMOPEDIA, ge=3, le=50)
    min_words: int = knob(
        5, help="items of fewer than n words are matched whole, down to this many", unit="words", ge=1
    )
    min_ratio: float = knob(
        0.5,
        help="smallest share of an item's characters whose presence drops the document",
        unit="share of characters",
        source=_COSMOPEDIA,
        threshold=True,
        ge=0.0,
        le=1.0,
    )

    def each(self, piece: pa.Table) -> pa.Table:
        found = self._matches(piece)
        of = [found.get(row) for row in range(piece.num_rows)]
        return pa.table(
            {
                "decontaminate.benchmark": pa.array([m and m.item.benchmark for m in of], pa.string()),
                "decontaminate.item": pa.array([m and m.item.key for m in of], pa.string()),
                "decontaminate.ratio": pa.array([m and m.ratio for m in of], pa.float64()),
                "decontaminate.span": pa.array([m and m.span for m in of], pa.string()),
            }
        )

    def drops(self) -> dict[str, Rule]:
        rule = Rule("decontaminate.ratio", ">=", self.min_ratio, evidence="decontaminate.item")
        return {"contaminated": rule}

    def _matches(self, piece: pa.Table) -> dict[int, Match]:
        if not self.against:
            return {}
        from hornbook.kernels.words import blocks, texts
        from hornbook.stages.decontaminate._matching import load, match

        bench = load(self.against, self.n, self.min_words)
        data, offsets = texts(piece.column(TEXT))
        found: dict[int, Match] = {}
        for first, last in blocks(offsets):
            for row, best in match(data, offsets[first : last + 1], bench).items():
                found[first + row] = best
        return found
