"""quality.fineweb: FineWeb's own filters on how a document is set in lines."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._languages import known, limits
from hornbook.stages.quality._repeating import Compat, cut, share

_FINEWEB = "FineWeb, arXiv:2406.17557"
_CODE = "huggingface/datatrove 0.10.1, pipeline/filters/fineweb_quality_filter.py"
_OTHERS = f"{_FINEWEB}; other languages: huggingface/fineweb-2, configs/ and fineweb-2-pipeline.py"


class Fineweb(Each):
    """Marks lists, menus and tables that other filters leave, and drops them.

    Marks: `quality.full_lines` (int64, lines between line feeds that are not blank) and, of these, float64
    `quality.ended_lines` (share that ends in a terminal mark of any script), `quality.short_lines` (share of at most
    `short_line` characters), `quality.dup_chars` (characters in lines that stood before / characters without line
    feeds), `quality.newline_share` (line feeds / words; null where there is no word).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    language: str = knob("eng", help="whose limits: eng, or one of FineWeb-2's (`deu`, `cmn_Hani`)", source=_OTHERS)
    compat: Compat = knob(
        "none", help="datatrove: words are spaCy's English tokens, as FineWebQualityFilter counts them", source=_CODE
    )
    short_line: int = knob(30, help="a line of at most so many is short", unit="characters", source=_CODE, ge=0)
    min_ended: float | None = knob(
        None, help="least share of lines that end in a terminal mark; null: 0.12, or the language's",
        unit="share of lines", source=_OTHERS, threshold=True,
    )  # fmt: skip
    max_short: float | None = knob(
        None, help="most short lines; null: 0.67, no limit in other languages",
        unit="share of lines", source=_OTHERS, threshold=True, ge=0.0,
    )  # fmt: skip
    max_duplicate: float | None = knob(
        None, help="most characters in duplicate lines; null: 0.01, 0.1 in other languages",
        unit="share of characters", source=_OTHERS, threshold=True, ge=0.0,
    )  # fmt: skip
    max_newlines: float | None = knob(
        None, help="most line feeds; null: 0.3, or the language's",
        unit="a word", source=_OTHERS, threshold=True, ge=0.0,
    )  # fmt: skip

    _known = field_validator("language")(known)

    @model_validator(mode="after")
    def _english(self) -> Fineweb:
        if self.compat == "datatrove" and self.language[:3] != "eng":
            raise ValueError("compat: datatrove is there for language: eng alone")
        return self

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.filters import survey
        from hornbook.kernels.words import blocks, texts

        data, offsets = texts(piece.column(TEXT))
        seen = survey(data, offsets, self.short_line)
        words = np.zeros(piece.num_rows, np.int64)
        for first, last in blocks(offsets):
            words[first:last] = np.diff(cut(data, offsets[first : last + 1], self.compat).offsets)
        return pa.table(
            {
                "quality.full_lines": seen.full,
                "quality.ended_lines": share(seen.ended, seen.full),
                "quality.short_lines": share(seen.short, seen.full),
                "quality.dup_chars": share(seen.again, seen.chars - seen.newlines),
                "quality.newline_share": pa.array(seen.newlines / np.maximum(1, words), mask=words == 0),
            }
        )

    def drops(self) -> dict[str, Rule]:
        said = limits(self.language)
        rules = {"empty": Rule("quality.full_lines", "==", 0)}
        asked = (
            ("few_ended_lines", "quality.ended_lines", "<", "min_ended"),
            ("short_lines", "quality.short_lines", ">", "max_short"),
            ("duplicate_chars", "quality.dup_chars", ">", "max_duplicate"),
            ("newlines", "quality.newline_share", ">", "max_newlines"),
        )
        for reason, mark, op, name in asked:
            own = getattr(self, name)
            limit = said[name] if own is None else own
            if limit is not None:
                rules[reason] = Rule(mark, op, limit)  # type: ignore[arg-type]
        return rules
