"""prompts.passages: what a local corpus says about each seed, to be put into its prompt with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.kernels.embedders import NAMES, possible

if TYPE_CHECKING:
    from hornbook.stages.prompts._shelf import Ranked, Shelf

PASSAGES = pa.list_(pa.struct([("text", pa.string()), ("source", pa.string()), ("score", pa.float64())]))
_DEPTH = 100
"""Passages of each ranking that two are fused from, and that are looked through for the seed itself."""


class Passages(Each):
    """Finds the passages of a local corpus that are nearest to each seed, by words (BM25), by meaning, or both.

    Marks: `passages` (list<struct<text, source, score>>, best first; `source` is the file and the place in it),
    `prompts.passages` (int32, how many), `prompts.passage_score` (float64, the first one's score, 0 where there is
    none).

    Drops: `no_passage` where the best passage's score is under `min_best`.

    Raises:
        UserError: the corpus has no files or no words; a library is not there; no column of `query` is there.
    """

    version: ClassVar[str] = "1"
    in_threads: ClassVar[bool] = True

    corpus: list[InputPath] = knob(
        help="files, folders, globs or URLs to be searched: JSON Lines, Parquet, CSV, text, Markdown", unit="paths"
    )
    text: str = knob(TEXT, help="the corpus's name for the text column")
    query: list[str] = knob(
        default_factory=lambda: [TEXT], help="columns of the seed that are searched with, put together in this order"
    )
    query_characters: int = knob(
        1000,
        help="so much of each of them is searched with",
        unit="characters",
        ge=1,
        source="Cosmopedia's extracts have 1,000 (huggingface/cosmopedia, web_samples/build_web_prompts.py)",
    )
    method: Literal["bm25", "vectors", "both"] = knob(
        "both", help="bm25: by words; vectors: by meaning; both: the two rankings fused. The page has numbers of each"
    )
    k: int = knob(3, help="passages a seed; our choice", unit="passages", ge=1, le=100)
    size: int = knob(
        600,
        help="longest passage; it ends where a sentence ends",
        unit="characters",
        ge=50,
        source="Cosmopedia's references have 600 (huggingface/cosmopedia, build_openstax_prompts.py)",
    )
    overlap: int = knob(
        1, help="sentences that a passage shares with the one before; our choice", unit="sentences", ge=0
    )
    min_bm25: float = knob(0.0, help="a passage found by words must have more than this score", ge=0)
    min_cosine: float = knob(
        0.0, help="a passage found by meaning must have at least this score", unit="cosine", ge=-1, le=1
    )
    min_best: float = knob(
        0.0,
        help="seeds are dropped whose best passage has less; of the method's scores (both: at most 2 / (flat + 1))",
        ge=0,
        threshold=True,
    )
    exclude_self: bool = knob(
        True,
        help="leave out passages of a document with the seed's id, and those whose words all stand in the seed's text",
    )
    k1: float = knob(1.5, help="BM25: how soon more of the same word tells no more", ge=0, source="bm25s")
    b: float = knob(0.75, help="BM25: how far long passages are held back", ge=0, le=1, source="bm25s")
    flat: float = knob(
        60.0,
        help="both: a passage has 1 / (flat + rank) of each ranking",
        gt=0,
        source="reciprocal rank fusion, Cormack, Clarke and Büttcher, SIGIR 2009: 60",
    )
    embedding: str = knob("wordllama", help=f"vectors, both: what makes them: {NAMES}")

    _name = field_validator("embedding")(possible)

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.stages.prompts import _shelf

        by_words, meaning = self.method != "vectors", "" if self.method == "bm25" else self.embedding
        shelf = _shelf.load(self.corpus, self.text, self.size, self.overlap, self.k1, self.b, by_words, meaning)
        ranked = self._ranked(shelf, piece)
        rows = [
            [
                {"text": shelf.passages[at].as_py(), "source": shelf.sources[at], "score": score}
                for at, score in zip(which, scores, strict=True)
            ]
            for which, scores in ranked
        ]
        return pa.table(
            {
                "passages": pa.array(rows, PASSAGES),
                "prompts.passages": pa.array([len(row) for row in rows], pa.int32()),
                "prompts.passage_score": pa.array([row[0]["score"] if row else 0.0 for row in rows], pa.float64()),
            }
        )

    def drops(self) -> dict[str, Rule]:
        return {"no_passage": Rule("prompts.passage_score", "<", self.min_best)}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Seeds, those with a passage, passages, and the sum of the best ones' scores."""
        many = marks.column("prompts.passages")
        return {
            "seeds": marks.num_rows,
            "with_passage": pc.sum(pc.greater(many, 0)).as_py() or 0,
            "passages": pc.sum(many).as_py() or 0,
            "best": pc.sum(marks.column("prompts.passage_score")).as_py() or 0.0,
        }

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """How many seeds found something, and the mean score of the best passage."""
        found = {name: sums.get(name, 0) for name in ("seeds", "with_passage", "passages")}
        return found | {"mean_best": round(sums.get("best", 0.0) / max(1, found["with_passage"]), 4)}

    def _ranked(self, shelf: Shelf, piece: pa.Table) -> list[tuple[list[int], list[float]]]:
        """For each seed its passages, best first, with their scores."""
        from hornbook.kernels.embedders import embedder
        from hornbook.stages.prompts import _shelf

        queries = self._queries(piece)
        barred = self._barred(shelf, piece)
        depth = max(_DEPTH, 2 * self.k)
        rankings: list[list[Ranked]] = []
        if self.method != "vectors":
            rankings.append(_shelf.by_words(shelf, queries, barred, depth, self.min_bm25))
        if self.method != "bm25":
            vectors = embedder(self.embedding)(queries)
            rankings.append(_shelf.by_meaning(shelf, vectors, barred, depth, self.min_cosine))
        found = rankings[0]
        if self.method == "both":
            found = [_shelf.fused(one, two, self.flat, 2 * depth) for one, two in zip(*rankings, strict=True)]
        own = self._own(piece)
        return [self._first(shelf, one, text) for one, text in zip(found, own, strict=True)]

    def _first(self, shelf: Shelf, ranked: Ranked, own: str) -> tuple[list[int], list[float]]:
        """The first k of a ranking that are not the seed's own text."""
        from hornbook.kernels.words import normalise

        which: list[int] = []
        scores: list[float] = []
        for at, score in zip(*(part.tolist() for part in ranked), strict=True):
            if own and normalise(shelf.passages[at : at + 1], "words")[0].as_py() in own:
                continue
            which.append(at)
            scores.append(score)
            if len(which) == self.k:
                break
        return which, scores

    def _queries(self, piece: pa.Table) -> pa.LargeStringArray:
        """What is searched with, a text a seed.

        Raises:
            UserError: none of the columns of `query` is there.
        """
        have = [name for name in self.query if name in piece.column_names]
        if not have:
            raise UserError(
                f"prompts.passages: no column {' or '.join(self.query)} to search with",
                where="query",
                fix=f"one of {', '.join(piece.column_names)}",
            )
        columns = [pc.fill_null(piece.column(name).cast(pa.large_string()), "") for name in have]
        parts = [pc.utf8_slice_codeunits(column, 0, self.query_characters) for column in columns]
        joined = pc.binary_join_element_wise(*parts, pa.scalar("\n", pa.large_string()))
        return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined

    def _barred(self, shelf: Shelf, piece: pa.Table) -> list[list[tuple[int, int]]]:
        """For each seed the passages of the document that has its id."""
        if not self.exclude_self or ID not in piece.column_names:
            return [[] for _ in range(piece.num_rows)]
        return [shelf.homes.get(str(key), []) for key in piece.column(ID).to_pylist()]

    def _own(self, piece: pa.Table) -> list[str]:
        """The words of each seed's text; '' where what it says itself is not left out."""
        from hornbook.kernels.words import normalise

        if not self.exclude_self or TEXT not in piece.column_names:
            return [""] * piece.num_rows
        found: list[str] = normalise(piece.column(TEXT), "words").to_pylist()
        return found
