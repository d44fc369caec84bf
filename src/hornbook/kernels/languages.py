"""Which language each text is in, by py3langid's model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def languages(column: Any, characters: int) -> tuple[pa.Array, NDArray[np.float64]]:
    """The language of each text, as py3langid names it (ISO 639-1 where there is one), and how sure that is.

    Args:
        column: text; null counts as empty.
        characters: so much of the beginning is looked at.

    Returns:
        string (rows,), null where no feature of any language was seen; float64 (rows,) from 0 to 1, the model's
        probability at a temperature of the square root of the bytes.
    """
    from hornbook.kernels.language import scores
    from hornbook.kernels.words import texts

    model = _model()
    text = pc.utf8_slice_codeunits(column.cast(pa.large_string()), 0, characters)
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
    return names, np.where(missing, 0.0, odds[np.arange(best.size), best]).astype(np.float64)


class _Model:
    """py3langid's model as arrays."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        found: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self.moves: Any = np.asarray(found.tk_nextmove, np.int32)
        self.rows: Any = np.asarray(found.tk_row, np.int32)
        self.features: Any = np.asarray(found.tk_output, np.int32)
        self.table = np.ascontiguousarray(found.nb_ptc, np.float32)
        self.prior = np.ascontiguousarray(found.nb_pc, np.float32)
        self.names = list(found.nb_classes)
        first: dict[str, int] = {}
        self.aliases = [(first[n], at) for at, n in enumerate(self.names) if first.setdefault(n, at) != at]


@lru_cache(maxsize=1)
def _model() -> _Model:
    return _Model()
