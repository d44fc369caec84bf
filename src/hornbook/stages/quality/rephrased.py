"""quality.rephrased: replies to prompts.rephrase tidied by format; those that are not what was asked for leave."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._tidying import items, pairs, passage

_CURATOR = "NeMo Curator's Nemotron-CC tutorial"
_FORMAT, _LANGUAGE, _SOURCE = "prompts.format", "prompts.language", "rephrase.source"
_WORDS = {"zh": ("\u95ee\uff1a", "\u7b54\uff1a")}
"""How a pair's lines begin, by language; else in English."""


class Rephrased(Each):
    """Takes off what a teacher put around a rephrased text, and reads pairs and lists.

    What NeMo Curator does after Nemotron-CC's prompts (arXiv:2412.02595), by `prompts.format`: of `diverse_qa` the
    pairs are read (at most `most_pairs`, doubles and pairs without an answer left out) and put under the text they
    are about, of `knowledge_list` the items; all others are prose, from which preface, labels, Markdown, quotes
    around it and closing remarks are taken off.

    Marks: `text`, `rephrased.parts` (int32, pairs or items, null for prose), `rephrased.words` (int64, of the reply
    alone), `rephrased.shrunk` (float64, of `distill` alone: its words / the source's), `rephrased.fault` (why it is
    not what was asked for, else null).

    Drops: `malformed` (no pair, no list, nothing left), `short`, `not_shorter` (`distill`).
    """

    version: ClassVar[str] = "1"
    reads: ClassVar[tuple[str, ...] | None] = (TEXT, _FORMAT, _LANGUAGE, _SOURCE)

    most_pairs: int = knob(8, help="pairs kept of a reply", unit="pairs", ge=1, source="arXiv:2412.02595: 8")
    with_source: bool = knob(True, help="put the text that they are about before the pairs", source=_CURATOR)
    min_words: int = knob(
        38,
        help="replies with fewer are dropped as `short`",
        unit="words",
        ge=0,
        threshold=True,
        source=f"{_CURATOR}: 50 tokens, 0.75 words each",
    )
    max_shrunk: float = knob(
        1.0,
        help="a condensed text with more of its source's words is dropped as `not_shorter`; our choice",
        unit="share of words",
        gt=0,
        threshold=True,
    )

    def each(self, piece: pa.Table) -> pa.Table:
        """The texts as they are to be kept, and their marks."""
        columns = {name: _column(piece, name) for name in (TEXT, _FORMAT, _LANGUAGE, _SOURCE)}
        rows = [self._tidied(*row) for row in zip(*columns.values(), strict=True)]
        counts = _counts([said for _, said, _, _ in rows])
        sources = _counts([source or "" for source in columns[_SOURCE]])
        shrunk = [
            mine / its if form == "distill" and its else None
            for mine, its, form in zip(counts, sources, columns[_FORMAT], strict=True)
        ]
        return pa.table(
            {
                TEXT: pa.array([text for text, _, _, _ in rows], pa.string()),
                "rephrased.parts": pa.array([parts for _, _, parts, _ in rows], pa.int32()),
                "rephrased.words": pa.array(counts, pa.int64()),
                "rephrased.shrunk": pa.array(shrunk, pa.float64()),
                "rephrased.fault": pa.array([fault for _, _, _, fault in rows], pa.string()),
            }
        )

    def drops(self) -> dict[str, Rule]:
        """What is not what was asked for, then what is too short or no shorter."""
        return {
            "malformed": Rule("rephrased.fault", "is set"),
            "short": Rule("rephrased.words", "<", self.min_words),
            "not_shorter": Rule("rephrased.shrunk", ">", self.max_shrunk),
        }

    def _tidied(
        self, text: str | None, form: str | None, language: str | None, source: str | None
    ) -> tuple[str, str, int | None, str | None]:
        """(the text to be kept, what of it is the reply's, pairs or items, what is wrong)."""
        given = text or ""
        if form == "diverse_qa":
            found = pairs(given)[: self.most_pairs]
            ask, answer = _WORDS.get(language or "", ("Question: ", "Answer: "))
            said = "\n\n".join(f"{ask}{one}\n{answer}{other}" for one, other in found)
            whole = f"{source.strip()}\n\n{said}" if said and source and self.with_source else said
            return whole, said, len(found), None if found else "no question with an answer in it"
        if form == "knowledge_list":
            listed = items(given)
            said = "\n".join(listed)
            return said, said, len(listed), None if listed else "no item of a list in it"
        said = passage(given)
        good = any(map(str.isalnum, said))
        return said, said, None, None if good else "nothing is left of it"


def _column(piece: pa.Table, name: str) -> list[Any]:
    return piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows


def _counts(texts: list[str]) -> list[int]:
    """Words of each text."""
    from hornbook.kernels.words import blocks, words
    from hornbook.kernels.words import texts as buffers

    data, offsets = buffers(pa.array(texts, pa.large_string()))
    found: list[int] = []
    for start, end in blocks(offsets):
        found += np.diff(words(data, offsets[start : end + 1]).offsets).tolist()
    return found
