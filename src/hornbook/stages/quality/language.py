"""quality.language: which language a document is in, by py3langid's model."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

_MODEL = "py3langid 0.4 (BSD-3-Clause), after Lui and Baldwin 2012, langid.py"


class Language(Each):
    """Names each document's language and how sure that is; drops those in other languages than wanted.

    Marks: `quality.language` (string, ISO 639-1 where there is one, as py3langid names it; null where no feature of any
    language was seen), `quality.language_score` (float64, 0 to 1, the model's probability at a temperature of the
    square root of the bytes), and `quality.language_wanted` (bool: is it one of `languages`; null where that is empty).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    languages: list[str] = knob(default_factory=list, help="languages that stay; none: all", source=_MODEL)
    characters: int = knob(
        4000, help="how much of the beginning is looked at", unit="characters", source="measured: docs page", ge=1
    )
    min_score: float | None = knob(
        None,
        help="least score; null for no limit. FineWeb asks for 0.65 of fastText's",
        source="FineWeb, arXiv:2406.17557",
        threshold=True,
        ge=0.0,
        le=1.0,
    )

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.languages import languages

        names, score = languages(piece.column(TEXT), self.characters)
        wanted = (
            pc.fill_null(pc.is_in(names, pa.array(self.languages)), False)
            if self.languages
            else pa.nulls(piece.num_rows, pa.bool_())
        )
        return pa.table({"quality.language": names, "quality.language_score": score, "quality.language_wanted": wanted})

    def drops(self) -> dict[str, Rule]:
        rules = {"other_language": Rule("quality.language_wanted", "==", False, evidence="quality.language")}
        if self.min_score is not None:
            rules["unsure_language"] = Rule("quality.language_score", "<", self.min_score, evidence="quality.language")
        return rules
