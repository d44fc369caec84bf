"""quality.readability: sentences, syllables and the old formulas of readability."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

_FLESCH = "Flesch 1948, A new readability yardstick"
_KINCAID = "Kincaid et al. 1975, Navy Research Branch report 8-75"
_LIX = "Björnsson 1968, Läsbarhet"


class Readability(Each):
    """Counts sentences and their words, and how hard the formulas think a document is.

    Marks: `quality.sentences` (int64), `quality.sentence_words` (float64, words a sentence); float64 `quality.lix`
    (words a sentence + percentage of words of more than six letters; null where most words are characters of scripts
    without spaces), and, null unless nine of ten words begin with a Latin letter: `quality.syllables` (a word),
    `quality.flesch` (reading ease, higher is easier), `quality.grade` (Flesch-Kincaid, years of school),
    `quality.ari` (automated readability index) and `quality.coleman_liau`, both years of school.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    min_words: int = knob(1, help="documents with fewer words get no formula", unit="words", ge=1)
    max_sentence_words: float | None = knob(None, help="most words a sentence", unit="words", threshold=True, ge=0.0)
    min_flesch: float | None = knob(None, help="least reading ease", source=_FLESCH, threshold=True)
    max_flesch: float | None = knob(None, help="most reading ease", source=_FLESCH, threshold=True)
    min_grade: float | None = knob(None, help="least grade", unit="years of school", source=_KINCAID, threshold=True)
    max_grade: float | None = knob(None, help="most grade", unit="years of school", source=_KINCAID, threshold=True)
    max_lix: float | None = knob(None, help="most LIX", source=_LIX, threshold=True, ge=0.0)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.filters import per_document, sentences
        from hornbook.kernels.syllables import syllables
        from hornbook.kernels.words import BY_ITSELF, blocks, texts, words

        data, offsets = texts(piece.column(TEXT))
        rows = piece.num_rows
        count, alone, long, spoken, latin, letters, every = (np.zeros(rows, np.float64) for _ in range(7))
        for first, last in blocks(offsets):
            some, block = slice(first, last), words(data, offsets[first : last + 1])
            count[some] = np.diff(block.offsets)
            alone[some] = per_document(block.flags & BY_ITSELF != 0, block.offsets)
            long[some] = per_document(block.chars > 6, block.offsets)
            every[some] = per_document(block.chars, block.offsets)
            spoken[some], latin[some], letters[some] = syllables(data, block)
        ended = sentences(data, offsets)
        per_sentence = count / np.maximum(1, ended)
        number = np.maximum(1, count)
        few = count < self.min_words
        other = few | (latin < 0.9 * count)
        per_word, characters = spoken / np.maximum(1, latin), letters / np.maximum(1, latin)
        a_hundred = 100 * np.maximum(1, ended) / number
        marks = {
            "sentences": pa.array(ended),
            "sentence_words": pa.array(per_sentence, mask=few),
            "lix": pa.array(per_sentence + 100 * long / number, mask=few | (2 * alone > count)),
            "syllables": pa.array(per_word, mask=other),
            "flesch": pa.array(206.835 - 1.015 * per_sentence - 84.6 * per_word, mask=other),
            "grade": pa.array(0.39 * per_sentence + 11.8 * per_word - 15.59, mask=other),
            "ari": pa.array(4.71 * every / number + 0.5 * per_sentence - 21.43, mask=other),
            "coleman_liau": pa.array(0.0588 * 100 * characters - 0.296 * a_hundred - 15.8, mask=other),
        }
        return pa.table({f"quality.{name}": values for name, values in marks.items()})

    def drops(self) -> dict[str, Rule]:
        asked = {
            "long_sentences": Rule("quality.sentence_words", ">", self.max_sentence_words),
            "hard": Rule("quality.flesch", "<", self.min_flesch),
            "easy": Rule("quality.flesch", ">", self.max_flesch),
            "low_grade": Rule("quality.grade", "<", self.min_grade),
            "high_grade": Rule("quality.grade", ">", self.max_grade),
            "high_lix": Rule("quality.lix", ">", self.max_lix),
        }
        return {reason: rule for reason, rule in asked.items() if rule.limit is not None}
