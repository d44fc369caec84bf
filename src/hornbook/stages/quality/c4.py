"""quality.c4: the line and page rules of C4."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._repeating import Compat, share

_C4 = "C4, arXiv:1910.10683, section 2.2"
_CODE = "huggingface/datatrove 0.10.1, pipeline/filters/c4_filters.py, after tensorflow_datasets c4_utils.py"


class C4(Each):
    """Looks at each line as C4 does, counts the sentences of the lines that stay, and drops pages by what is left.

    A line leaves that has a word of more than `max_word` characters, does not end a sentence, has fewer than
    `min_line_words` words, says "javascript" or a phrase of cookie and privacy notices.

    Marks: `quality.c4_lines` (float64, share of the lines that stay), `quality.c4_sentences` (int64, sentences in
    them), `quality.c4_lorem`, `quality.c4_curly` (bool: such a line was met, and the page is not looked at further).
    With `text: cut` the column `text` is replaced by the lines that stay.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    text: Literal["keep", "cut"] = knob("keep", help="cut: documents become the lines that stay, as in C4", source=_C4)
    compat: Compat = knob(
        "none",
        help="datatrove: words between white space, ASCII ends of lines, spaCy's sentences: "
        "the decisions of C4QualityFilter",
        source=_CODE,
    )
    min_line_words: int = knob(3, help="lines of fewer words leave", unit="words", source=_C4, ge=0)
    max_word: int = knob(1000, help="lines with a longer word leave", unit="characters", source=_CODE, ge=1)
    citations: bool = knob(True, help="take `[1]`, `[edit]`, `[citation needed]` out of lines", source=_C4)
    min_sentences: int = knob(5, help="fewest sentences", unit="sentences", source=_C4, threshold=True, ge=0)
    lorem: bool = knob(True, help="drop pages that say lorem ipsum", source=_C4, threshold=True)
    curly: bool = knob(True, help="drop pages with a curly bracket: false for code", source=_C4, threshold=True)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.c4 import CURLY, LOREM, lines
        from hornbook.kernels.words import texts

        data, offsets = texts(piece.column(TEXT))
        kept = lines(
            data,
            offsets,
            min_words=self.min_line_words,
            max_word=self.max_word,
            citations=self.citations,
            every=self.compat == "none",
        )
        stay = np.bincount(kept.of, minlength=piece.num_rows)
        marks = {
            "quality.c4_lines": share(stay, kept.total),
            "quality.c4_sentences": self._sentences(kept, piece.num_rows),
            "quality.c4_lorem": pa.array(kept.found == LOREM),
            "quality.c4_curly": pa.array(kept.found == CURLY),
        }
        if self.text == "cut":
            buffers = pa.py_buffer(kept.offsets), pa.py_buffer(np.ascontiguousarray(kept.data))
            cut = pa.LargeStringArray.from_buffers(piece.num_rows, *buffers)
            marks[TEXT] = cut.cast(piece.schema.field(TEXT).type)
        return pa.table(marks)

    def drops(self) -> dict[str, Rule]:
        rules = {}
        if self.lorem:
            rules["lorem_ipsum"] = Rule("quality.c4_lorem", "==", True)
        if self.curly:
            rules["curly_bracket"] = Rule("quality.c4_curly", "==", True)
        return rules | {"few_sentences": Rule("quality.c4_sentences", "<", self.min_sentences)}

    def _sentences(self, kept: Any, rows: int) -> Any:
        """Sentences of the lines that stay: int64 (rows,)."""
        edges = np.append(kept.lines, kept.offsets[-1])
        if self.compat == "datatrove":
            from hornbook.kernels.datatrove import sentences
            from hornbook.kernels.english import tokens
            from hornbook.kernels.words import blocks

            parts = [sentences(tokens(kept.data, edges[a : b + 1])) for a, b in blocks(edges)]
            counts = np.concatenate([np.zeros(0, np.int64), *parts])
        else:
            from hornbook.kernels.filters import sentences as every_script

            counts = every_script(kept.data, edges)
        return np.bincount(kept.of, weights=counts, minlength=rows).astype(np.int64)
