"""evaluate.grounding: how much of a text is borne out by the passages it was written from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.kernels.embedders import NAMES, possible

_NONE = "none"
_BINS = 10


class Grounding(Each):
    """Scores each sentence of a text against the row's passages: its words, its numbers and names, its meaning.

    Marks, null where a row has no passages or no sentence: `grounding.score` (float64, mean of the sentences' scores,
    0 to 1), `grounding.supported` (float64, share of the sentences that reach `sentence`), `grounding.sentences`
    (int32, how many), `grounding.missing` (int32, sentences with a number or name that no passage has),
    `grounding.unsupported` (list<string>, the sentences that do not reach it).

    Drops: `ungrounded` where `grounding.supported` is under `min_supported`.

    Raises:
        UserError: the column `reference` is not there or holds no text.
    """

    version: ClassVar[str] = "1"

    reference: str = knob(
        "passages", help="column with what the text is held against: passages, a list of texts, or one text"
    )
    sentence: float = knob(
        0.5,
        help="score from which a sentence counts as supported; our choice, the page has what it catches",
        ge=0,
        le=1,
    )
    missing: float = knob(
        0.5,
        help="a sentence with a number or name that no passage has keeps so much of its score; our choice: too little "
        "to count as supported",
        unit="share of the score",
        ge=0,
        le=1,
    )
    embedding: str = knob(
        "wordllama", help=f"what compares meanings: {NAMES}; none: words, numbers and names alone decide"
    )
    characters: int = knob(
        50_000, help="so much of the text, and of its passages, is looked at", unit="characters", ge=100
    )
    min_supported: float = knob(
        0.0,
        help="smallest share of supported sentences a document may have",
        unit="share of sentences",
        threshold=True,
        ge=0,
        le=1,
    )

    @field_validator("embedding")
    @classmethod
    def _name(cls, name: str) -> str:
        return name if name == _NONE else possible(name)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.stages.evaluate._supporting import Facts, alike, cut, lexical

        shown = self._shown(piece)
        own = [cut(text, self.characters) for text in piece.column(TEXT).to_pylist()]
        passages = [[s for text in texts for s in cut(text, self.characters)] for texts in shown]
        own = [some if theirs else () for some, theirs in zip(own, passages, strict=True)]
        scores = lexical(own, passages)
        if self.embedding != _NONE:
            near = alike(own, passages, self.embedding)
            scores = [(one + two) / 2 for one, two in zip(scores, near, strict=True)]
        rows = []
        for some, theirs, score in zip(own, passages, scores, strict=True):
            facts = Facts("\n".join(theirs)) if some else None
            lacks = np.array([not facts.has(s) for s in some], bool) if facts else np.zeros(0, bool)
            final = np.round(score * np.where(lacks, self.missing, 1.0), 6)
            good = final >= self.sentence
            rows.append(
                {
                    "score": float(final.mean()),
                    "supported": float(good.mean()),
                    "sentences": len(some),
                    "missing": int(lacks.sum()),
                    "unsupported": [s for s, ok in zip(some, good, strict=True) if not ok],
                }
                if some
                else {}
            )
        kinds = {"score": pa.float64(), "supported": pa.float64(), "sentences": pa.int32(), "missing": pa.int32()}
        kinds["unsupported"] = pa.list_(pa.string())
        return pa.table(
            {f"grounding.{name}": pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()}
        )

    def drops(self) -> dict[str, Rule]:
        return {"ungrounded": Rule("grounding.supported", "<", self.min_supported)}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Documents, those with passages, sentences, supported ones, and documents by their share of these."""
        some = marks.filter(pc.is_valid(marks.column("grounding.supported")))
        share, many = some.column("grounding.supported").to_numpy(), some.column("grounding.sentences").to_numpy()
        return {
            "documents": marks.num_rows,
            "with_passages": some.num_rows,
            "sentences": int(many.sum()),
            "supported": round(float((share * many).sum())),
            "missing": int(some.column("grounding.missing").to_numpy().sum()),
            "score": float(some.column("grounding.score").to_numpy().sum()),
            "shares": np.bincount(np.minimum(share * _BINS, _BINS - 1).astype(int), minlength=_BINS).tolist(),
        }

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Share of supported sentences, mean score of a document, documents by their share of supported sentences."""
        names = ("documents", "with_passages", "sentences", "supported", "missing")
        found: dict[str, Any] = {name: sums.get(name, 0) for name in names}
        found["share_supported"] = round(found["supported"] / max(1, found["sentences"]), 4)
        found["mean_score"] = round(sums.get("score", 0.0) / max(1, found["with_passages"]), 4)
        shares = sums.get("shares", [0] * _BINS)
        found["by_share"] = {f"{at / _BINS:g}-{(at + 1) / _BINS:g}": many for at, many in enumerate(shares) if many}
        return found

    def _shown(self, piece: pa.Table) -> list[list[str]]:
        """The texts that each row is held against.

        Raises:
            UserError: there is no such column, or it holds no texts.
        """
        if self.reference not in piece.column_names:
            raise UserError(
                f"evaluate.grounding: no column {self.reference!r} to hold texts against",
                where="reference",
                fix=f"prompts.passages above it, or one of {', '.join(piece.column_names)}",
            )
        column = piece.column(self.reference)
        kind = _kind(column.type)
        if kind == "none":
            raise UserError(
                f"evaluate.grounding: {self.reference!r} holds {column.type}",
                where="reference",
                fix="a column of texts, of lists of texts, or of lists of {text, …}",
            )
        values = column.to_pylist()
        if kind == "text":
            return [[value] if value else [] for value in values]
        if kind == "texts":
            return [[text for text in value or () if text] for value in values]
        return [[one["text"] for one in value or () if one and one.get("text")] for value in values]


def _kind(kind: pa.DataType) -> Literal["text", "texts", "passages", "none"]:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        if pa.types.is_string(inner) or pa.types.is_large_string(inner):
            return "texts"
        if pa.types.is_struct(inner) and inner.get_field_index("text") >= 0:
            return "passages"
        if pa.types.is_null(inner):
            return "texts"
    return "text" if pa.types.is_null(kind) else "none"
