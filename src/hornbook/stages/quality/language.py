"""quality.language: which language a document is in, by py3langid's model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
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
        from hornbook.kernels.language import scores
        from hornbook.kernels.words import texts

        model = _model()
        text = pc.utf8_slice_codeunits(piece.column(TEXT).cast(pa.large_string()), 0, self.characters)
        shout = [said.lower() if said and said.isupper() else said for said in text.to_pylist()]
        text = pa.array(shout, pa.large_string())
        data, offsets = texts(pc.utf8_normalize(text, "NFC"))
        raw, seen = scores(data, offsets, model.moves, model.rows, model.features, model.table, model.prior)
        raw /= np.sqrt(np.maximum(1, np.diff(offsets)))[:, None].astype(np.float32)
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        for first, other in model.aliases:
            odds[:, first] += odds[:, other]
            odds[:, other] = 0.0
        best = odds.argmax(axis=1)
        missing = seen == 0
        names = pa.array(model.names, pa.string()).take(pa.array(best, mask=missing))
        score = np.where(missing, 0.0, odds[np.arange(best.size), best]).astype(np.float64)
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


class _Model:
    """py3langid's model as arrays."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        found: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self.moves = np.asarray(found.tk_nextmove, np.int32)
        self.rows = np.asarray(found.tk_row, np.int32)
        self.features = np.asarray(found.tk_output, np.int32)
        self.table = np.ascontiguousarray(found.nb_ptc, np.float32)
        self.prior = np.ascontiguousarray(found.nb_pc, np.float32)
        self.names = list(found.nb_classes)
        first: dict[str, int] = {}
        self.aliases = [(first[n], at) for at, n in enumerate(self.names) if first.setdefault(n, at) != at]


@lru_cache(maxsize=1)
def _model() -> _Model:
    return _Model()
