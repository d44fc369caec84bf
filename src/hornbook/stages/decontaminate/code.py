"""decontaminate.code: functions that are an exam's solution told differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import AfterValidator, model_validator

from hornbook.core.documents import TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hornbook.stages.decontaminate._exams import Exams, Unit

_PHI = "phi-1, arXiv 2306.11644, section 5.2"
_TAUS = (0.95, 0.9, 0.85, 0.8)
_EXCERPT = 160
_MARKS = {
    "code_match": pa.float64(),
    "code_item": pa.string(),
    "code_similarity": pa.float64(),
    "code_neighbour": pa.string(),
    "code_functions": pa.int64(),
    "code_evidence": pa.string(),
    "code_likeness": pa.string(),
}


def _possible(name: str) -> str:
    from hornbook.kernels.embedders import possible

    return name if name == "none" else possible(name)


class Code(Each):
    """Compares every function of a document with every function of the exams' solutions, as trees and as vectors.

    Marks: `decontaminate.code_match` (float64, 1 - edits / nodes of the larger tree, of the pair of functions where it
    is highest; null under 0.5 and where there is no function), `decontaminate.code_item` (string, that item),
    `decontaminate.code_similarity` (float64, cosine of the function, or of the text that has none, and the item nearest
    to it), `decontaminate.code_neighbour` (string, that item), `decontaminate.code_functions` (int64, functions
    compared), `decontaminate.code_evidence` and `decontaminate.code_likeness` (strings: the item, the function's lines,
    the beginnings of both).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    against: list[InputPath] = knob(
        help="files, folders or globs of items whose solutions must not be in the data; [] checks nothing", unit="paths"
    )
    match: float = knob(
        0.9,
        help="smallest match rate of two functions that drops the document",
        unit="share of nodes",
        source=_PHI + " (0.95, 0.9, 0.85 and 0.8 were tried)",
        threshold=True,
        ge=0.5,
        le=1.0,
    )
    similarity: float | None = knob(
        0.9,
        help="smallest cosine of a function and an item that drops the document; null: none does",
        unit="cosine",
        threshold=True,
        ge=-1.0,
        le=1.0,
    )
    near: float = knob(
        -1.0,
        help="functions are compared as trees only with items at least this near by their vectors; -1: with all",
        unit="cosine",
        ge=-1.0,
        le=1.0,
    )
    distance: Literal["tree", "sequence"] = knob(
        "tree", help="edits of trees, or of their nodes' labels one after the other, as phi-1's text says"
    )
    names: Literal["free", "none", "order", "kept"] = knob(
        "free",
        help="names that count: those that the function does not bind itself, none, bound ones by the order of their "
        "first appearance, or all",
    )
    constants: Literal["types", "values", "none"] = knob("types", help="what of a constant counts")
    tidy: bool = knob(True, help="what can be said either way is put in one form: b > a as a < b and the like")
    min_nodes: int = knob(10, help="smaller functions are not compared as trees", unit="nodes", ge=1)
    embedding: Annotated[str, AfterValidator(_possible)] = knob(
        "wordllama",
        help="vectors: none, wordllama, model2vec:NAME, sentence-transformers:NAME, http://HOST:PORT/v1#MODEL",
    )

    @model_validator(mode="after")
    def _can_be(self) -> Code:
        if self.embedding == "none" and self.near > -1:
            raise ValueError("near needs vectors: an embedding other than none, or near: -1")
        return self

    def each(self, piece: pa.Table) -> pa.Table:
        """The marks.

        Raises:
            UserError: the exams or the embedding cannot be read.
        """
        marks: dict[str, list[Any]] = {name: [None] * piece.num_rows for name in _MARKS}
        if self.against:
            self._fill(piece, marks)
        return pa.table({f"decontaminate.{name}": pa.array(marks[name], kind) for name, kind in _MARKS.items()})

    def drops(self) -> dict[str, Rule]:
        rules = {
            "contaminated": Rule("decontaminate.code_match", ">=", self.match, evidence="decontaminate.code_evidence")
        }
        if self.similarity is not None:
            rules["neighbour"] = Rule(
                "decontaminate.code_similarity", ">=", self.similarity, evidence="decontaminate.code_likeness"
            )
        return rules

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Documents, functions, and documents by hundredths of both marks."""
        grid: dict[str, dict[str, int]] = {}
        match, near = (marks.column(f"decontaminate.{name}").to_pylist() for name in ("code_match", "code_similarity"))
        for one, two in zip(match, near, strict=True):
            cells = grid.setdefault(_hundredth(one), {})
            cells[_hundredth(two)] = cells.get(_hundredth(two), 0) + 1
        counts = marks.column("decontaminate.code_functions").to_pylist()
        several = [many for many in counts if many]
        return {"grid": grid, "with_functions": len(several), "functions": sum(several)}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """How many documents each threshold of phi-1 would drop, whatever is set; with `similarity` by vectors too."""
        cells = [(int(a), int(b), many) for a, row in sums.get("grid", {}).items() for b, many in row.items()]
        limit = None if self.similarity is None else round(self.similarity * 100)
        removed: dict[str, dict[str, int]] = {}
        for tau in sorted({*_TAUS, self.match}, reverse=True):
            least = round(tau * 100)
            counts = {"trees": sum(many for a, _, many in cells if a >= least)}
            if limit is not None:
                counts["both"] = sum(many for a, b, many in cells if a >= least and b >= limit)
                counts["either"] = sum(many for a, b, many in cells if a >= least or b >= limit)
            removed[f"{tau:g}"] = counts
        facts = {name: sums.get(name, 0) for name in ("with_functions", "functions")} | {"removed": removed}
        if limit is not None:
            facts["near"] = sum(many for _, b, many in cells if b >= limit)
        return facts

    def _fill(self, piece: pa.Table, marks: dict[str, list[Any]]) -> None:
        from hornbook.stages.decontaminate import _exams

        exams = _exams.load(self.against, self.names, self.constants, self.tidy, self.min_nodes, self.embedding)
        texts = [text or "" for text in piece.column(TEXT).to_pylist()]
        units: list[Unit] = []
        homes: list[int] = []
        for home, text in enumerate(texts):
            some = _exams.read(text, self.names, self.constants, self.tidy, self.min_nodes, exams.most)
            units += some
            homes += [home] * len(some)
        for home in homes:
            marks["code_functions"][home] = (marks["code_functions"][home] or 0) + 1
        vectors = self._near(texts, units, homes, exams, marks)
        self._match(units, homes, exams, vectors, marks)

    def _near(
        self, texts: list[str], units: list[Unit], homes: list[int], exams: Exams, marks: dict[str, list[Any]]
    ) -> NDArray[np.float32] | None:
        """Vectors of the functions; marks of the nearest items, of texts without functions too."""
        if self.embedding == "none" or not exams.keys:
            return None
        from hornbook.kernels.embedders import embedder
        from hornbook.kernels.neighbours import neighbours

        bare = sorted(set(range(len(texts))) - set(homes))
        said = [unit.source for unit in units] + [texts[home] for home in bare]
        vectors = embedder(self.embedding)(pa.array(said, pa.large_string()))
        which, near = neighbours(vectors, exams.vectors, 1)
        best = marks["code_similarity"]
        for at, home in enumerate(homes + bare):
            cosine = round(float(near[at, 0]), 6)
            if vectors[at].any() and (best[home] is None or cosine > best[home]):
                item = int(which[at, 0])
                best[home], marks["code_neighbour"][home] = cosine, exams.keys[item]
                where = f", lines {units[at].first}-{units[at].last}" if at < len(units) else ""
                marks["code_likeness"][home] = f"{exams.keys[item]}{where}: {_both(said[at], exams.texts[item])}"
        return vectors[: len(units)]

    def _match(
        self,
        units: list[Unit],
        homes: list[int],
        exams: Exams,
        vectors: NDArray[np.float32] | None,
        marks: dict[str, list[Any]],
    ) -> None:
        """Marks of the best match of each document's functions."""
        import numpy as np

        from hornbook.kernels.trees import nearest, trees
        from hornbook.stages.decontaminate._exams import FLOOR, different, numbered

        labels, left = [numbered(unit, exams) for unit in units], [unit.function.left for unit in units]
        first, kind = different(labels, left)
        apart = None
        if self.near > -1 and vectors is not None:
            first, kind = list(range(len(units))), np.arange(len(units))  # equal trees may lie near different items
            apart = (vectors, exams.vectors, exams.owners, self.near)
        queries = trees([labels[at] for at in first], [left[at] for at in first])
        which, edits, _ = nearest(queries, exams.trees, exams.shared, FLOOR, self.distance == "sequence", apart)
        best = marks["code_match"]
        for at, home in enumerate(homes):
            query = int(kind[at])
            found = int(which[query])
            if found < 0:
                continue
            rate = round(1.0 - int(edits[query]) / max(queries.size(query), exams.trees.size(found)), 6)
            if best[home] is None or rate > best[home]:
                item, unit = exams.keys[int(exams.owners[found])], units[at]
                best[home], marks["code_item"][home] = rate, item
                both = _both(_bare(unit.source), _bare(exams.units[found].source))
                marks["code_evidence"][home] = f"{item}, lines {unit.first}-{unit.last}: {both}"


def _both(ours: str, theirs: str) -> str:
    """The beginnings of two texts, each in one line."""
    return " ⟷ ".join(" ".join(text[: 4 * _EXCERPT].split())[:_EXCERPT] for text in (ours, theirs))


def _bare(source: str) -> str:
    """A function's source without its docstring, as far as three quotes tell."""
    mark = min(('"""', "'''"), key=lambda quotes: source.find(quotes) % (len(source) + 1))
    first = source.find(mark)
    last = source.find(mark, first + 3) if first >= 0 else -1
    return source if last < 0 else source[:first] + source[last + 3 :]


def _hundredth(value: float | None) -> str:
    """A mark's hundredths, rounded down; -101 where it is missing."""
    return "-101" if value is None else str(int(value * 100 // 1 if value < 0 else value * 100 + 1e-6))
