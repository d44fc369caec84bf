"""Prompts that have documents told again in five ways, by their quality, after Nemotron-CC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import field_validator

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, PIECE_ROWS, PROMPT, REASON, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.prompts._building import Built
from hornbook.stages.prompts._drawing import draws, key_for, orders
from hornbook.stages.prompts._extracts import cleaned
from hornbook.stages.prompts._page import Way
from hornbook.stages.prompts._segments import LONGEST, Sentences, read, segments
from hornbook.stages.prompts._templates import DRAWS, NAMES, variable

_CURATOR = "NeMo Curator's Nemotron-CC tutorial, 0.75 words a token"
_LOW = ["wikipedia"]
_HIGH = ["diverse_qa", "distill", "extract_knowledge", "knowledge_list"]
_LONGEST = {"wikipedia": 384, "diverse_qa": 750, "distill": 1500, "extract_knowledge": 1050, "knowledge_list": 750}
_SHORTEST = {"wikipedia": 4, "diverse_qa": 22, "distill": 8, "extract_knowledge": 22, "knowledge_list": 22}
_OWN = (22, 750)
"""Words of a segment for a format of the user's own: those of the knowledge list."""
_MOST = 1000
"""Prompts of a document."""
_BLOCK = 512
"""Documents cut at a time."""


class _Segment(NamedTuple):
    """A segment that is to be rephrased: of which seed of the piece, for which format, and which of how many."""

    seed: int
    format: str
    bucket: str
    text: str
    words: int
    number: int
    of: int
    variant: int = 0


class Rephrase(Built):
    """Has documents told again: low quality as an encyclopaedia would, high quality in four ways.

    The method is Nemotron-CC's (arXiv:2412.02595, and NeMo Curator): what is badly written is rewritten in
    Wikipedia's style (`wikipedia`); what is good becomes questions with answers (`diverse_qa`, at most 8), a shorter
    text (`distill`), a passage of a textbook (`extract_knowledge`) and a list (`knowledge_list`). Each format takes
    segments of its own length, whole sentences each. The words of the prompts are our own. `quality.rephrased` tidies
    the replies.

    Seeds: rows with `text`, and perhaps a score in a column that `mark` names.

    Rows: those of all prompts stages, and `rephrase.source` (the segment), `rephrase.segment` (int32, from 1),
    `rephrase.segments` (int32, of how many in that format), `rephrase.words` (int32), `rephrase.bucket` (low, high).

    Drops: `too_short` (no segment is long enough for any format), `unscored` (`mark` is null), `empty`.

    Raises:
        UserError: there is no column `text`, or none that `mark` names.
    """

    version: ClassVar[str] = "1"

    bucket: Literal["low", "high", "both"] = knob(
        "both", help="of which quality the documents are, where no `mark` says: low or high; both: all formats"
    )
    mark: str | None = knob(None, help="the column with each document's quality, a number; unset: `bucket` says")
    high_from: float = knob(
        12.0,
        help="documents whose `mark` is at least this are of high quality",
        source="NeMo Curator: buckets 0 to 19, high over 11",
    )
    low_formats: list[str] = knob(default_factory=lambda: list(_LOW), help="for low quality", source="arXiv:2412.02595")
    high_formats: list[str] = knob(
        default_factory=lambda: list(_HIGH), help="for high quality", source="arXiv:2412.02595"
    )
    longest: dict[str, int] = knob(
        default_factory=lambda: dict(_LONGEST),
        help="longest segment of each format; formats of your own: 750",
        unit="words",
        source=_CURATOR,
    )
    shortest: dict[str, int] = knob(
        default_factory=lambda: dict(_SHORTEST),
        help="shortest segment of each format; formats of your own: 22",
        unit="words",
        source=_CURATOR,
    )
    cap: int | None = knob(
        None, help="longest segment of any format, for teachers with a small context", unit="words", ge=20
    )
    per_seed: int = knob(
        _MOST, help="prompts of a document at most: other formats and segments each", unit="prompts", ge=1, le=_MOST
    )

    @field_validator("longest", "shortest")
    @classmethod
    def _over_the_defaults(cls, value: dict[str, int], info: Any) -> dict[str, int]:
        base = _LONGEST if info.field_name == "longest" else _SHORTEST
        if any(size < 1 for size in value.values()):
            raise ValueError("a segment has at least 1 word")
        return base | value

    def _spread(self, total: int) -> int:
        """Of how many documents prompts are made."""
        return total if self.count is None else min(total, self.count)

    def _wanted(self, rows: NDArray[np.int64], total: int) -> NDArray[np.int64]:
        """How many prompts are made of each document: with `count` as many as its share of them."""
        if self.count is None:
            return np.full(rows.size, self.per_seed, np.int64)
        share: NDArray[np.int64] = (rows + 1) * self.count // total - rows * self.count // total
        return np.clip(share, 0, self.per_seed)

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The prompts of one row group of documents, at most 4,096 a table."""
        from hornbook.store.parts import pieces

        part, group, first = item
        ways = self._ways()
        further = [name for way in ways for name in way.template.columns if not name.startswith("segment")]
        columns = dict.fromkeys([ID, TEXT, ORIGIN, *([self.mark] if self.mark else []), *further])
        total = inputs.rows() if self.count is not None else 0
        for piece in pieces(inputs.parts()[part], list(columns), only=group):
            rows = np.arange(first, first + piece.num_rows)
            wanted = self._wanted(rows, total)
            some = np.flatnonzero(wanted)
            for at in range(0, some.size, _BLOCK):
                block = some[at : at + _BLOCK]
                yield from self._prompted(piece.take(pa.array(block)), rows[block], wanted[block], ways)

    def _prompted(
        self, piece: pa.Table, rows: NDArray[np.int64], wanted: NDArray[np.int64], ways: Sequence[Way]
    ) -> Iterator[pa.Table | Dropped]:
        """The prompts of some documents, and those that none could be made of."""
        if TEXT not in piece.column_names:
            raise UserError(
                "prompts.rephrase needs documents with the column `text`, and there is none",
                where=f"the step above; it has {', '.join(piece.column_names)}",
                fix="put sources.files, sources.warc or the like above it",
            )
        buckets = self._buckets(piece)
        heads = pc.utf8_slice_codeunits(piece.column(TEXT), 0, LONGEST).to_pylist()
        known = {way.template.front.format for way in ways}
        taken: list[_Segment] = []
        unfit: list[tuple[int, str, str]] = []
        for at, of in enumerate(read([cleaned(text or "") for text in heads])):
            bucket = buckets[at]
            mine = self._segments(at, of, bucket, known) if bucket else []
            if not mine:
                unfit.append((at, *self._why(of, bucket)))
            elif len(mine) > wanted[at]:
                key = key_for(self.seed, "prompts.rephrase", "which")
                order = orders(key, rows[at : at + 1], np.zeros(1, np.int64), len(mine))[0, : wanted[at]]
                mine = [mine[which] for which in sorted(order.tolist())]
            taken += [one._replace(variant=number) for number, one in enumerate(mine)]
        for start in range(0, len(taken), PIECE_ROWS):
            yield self._table(piece, rows, taken[start : start + PIECE_ROWS], ways)
        if unfit:
            yield Dropped(_dropped(piece, unfit))

    def _buckets(self, piece: pa.Table) -> list[str | None]:
        """Each document's bucket; None where the mark says nothing."""
        if self.mark is None:
            return [self.bucket] * piece.num_rows
        if self.mark not in piece.column_names:
            raise UserError(
                f"prompts.rephrase: there is no column `{self.mark}`",
                where="mark",
                fix="name the mark of a step above, or say bucket: low or high",
            )
        scores = piece.column(self.mark).cast(pa.float64()).to_pylist()
        return [None if score is None else "high" if score >= self.high_from else "low" for score in scores]

    def _segments(self, seed: int, of: Sentences, bucket: str, known: set[str]) -> list[_Segment]:
        """The segments of a document in every format of its bucket."""
        found: list[_Segment] = []
        for said, names in (("low", self.low_formats), ("high", self.high_formats)):
            for name in names if bucket in (said, "both") else ():
                if name not in known:
                    continue
                most = min(self.longest.get(name, _OWN[1]), self.cap or LONGEST)
                parts = segments(of, min(self.shortest.get(name, _OWN[0]), most), most)
                found += [
                    _Segment(seed, name, said, text, words, at, len(parts)) for at, (text, words) in enumerate(parts, 1)
                ]
        return found[:_MOST]

    def _why(self, of: Sentences, bucket: str | None) -> tuple[str, str]:
        """Reason and evidence for a document without a segment."""
        if bucket is None:
            return "unscored", f"{self.mark} is null"
        if not of.ranges:
            return "empty", "no letter or digit in it"
        return "too_short", f"{sum(of.words)} words, longest sentence {max(of.words)}: no segment fits a format"

    def _table(
        self, piece: pa.Table, rows: NDArray[np.int64], some: Sequence[_Segment], ways: Sequence[Way]
    ) -> pa.Table:
        """The prompts of some segments."""
        by_format: dict[str, list[Way]] = {}
        for way in ways:
            by_format.setdefault(way.template.front.format, []).append(way)
        seeds = rows[[one.seed for one in some]]
        variants = np.array([one.variant for one in some])
        numbers = draws(key_for(self.seed, "prompts.rephrase", "words"), seeds, variants, DRAWS + 1).tolist()
        columns = {name: piece.column(name).to_pylist() for name in piece.column_names if name != TEXT}
        nothing = dict.fromkeys(NAMES) | {variable(name): None for way in ways for name in way.template.columns}
        prompts, chosen = [], []
        for one, drawn in zip(some, numbers, strict=True):
            mine = by_format[one.format]
            way = mine[drawn[DRAWS] * len(mine) >> 32]
            values = nothing | {variable(name): values[one.seed] for name, values in columns.items()}
            values |= {"text": one.text, "extract": one.text, "segment": one.text}
            values[f"segment_{one.format}"] = one.text
            prompts.append(way.template.render(values, way.audience, drawn))
            chosen.append(way)
        split, string = self.split or self.stage(), pa.string()
        ids = [f"{split}-{row:07d}-{one.variant:02d}" for row, one in zip(seeds.tolist(), some, strict=True)]
        found: dict[str, tuple[list[Any], pa.DataType]] = {
            ID: (ids, string),
            PROMPT: (prompts, string),
            ORIGIN: ([columns[ORIGIN][one.seed] if ORIGIN in columns else None for one in some], string),
            "prompts.template": ([way.template.name for way in chosen], string),
            "prompts.format": ([way.template.front.format for way in chosen], string),
            "prompts.audience": ([way.audience for way in chosen], string),
            "prompts.language": ([way.template.front.language for way in chosen], string),
            "prompts.seed": ([columns[ID][one.seed] for one in some], string),
            "prompts.topic": ([None] * len(some), string),
            "prompts.split": ([split] * len(some), string),
            "prompts.variant": ([one.variant for one in some], pa.int32()),
            "rephrase.source": ([one.text for one in some], string),
            "rephrase.segment": ([one.number for one in some], pa.int32()),
            "rephrase.segments": ([one.of for one in some], pa.int32()),
            "rephrase.words": ([one.words for one in some], pa.int32()),
            "rephrase.bucket": ([one.bucket for one in some], string),
        }
        return pa.table({name: pa.array(values, kind) for name, (values, kind) in found.items()})


def _dropped(piece: pa.Table, unfit: Sequence[tuple[int, str, str]]) -> pa.Table:
    """Documents of which no prompt could be made."""
    table = piece.take(pa.array([at for at, _, _ in unfit]))
    reasons, evidence = [reason for _, reason, _ in unfit], [said for _, _, said in unfit]
    return table.append_column(REASON, pa.array(reasons)).append_column(EVIDENCE, pa.array(evidence))
