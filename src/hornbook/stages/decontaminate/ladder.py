"""decontaminate.ladder: documents that hold items of the exams, found rung by rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from hornbook.core.documents import ORIGIN, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across, Round

if TYPE_CHECKING:
    from hornbook.stages.decontaminate._items import Item
    from hornbook.stages.decontaminate._pairs import Found

_COSMOPEDIA = "Cosmopedia, huggingface/cosmopedia 1c0d3e1, decontamination/decontaminate.py"
_GPT3 = "GPT-3, arXiv 2005.14165, appendix C"
Compat = Literal["none", "cosmopedia", "phi1", "gpt3", "llama", "llama3"]
_N: dict[str, int] = {"none": 10, "cosmopedia": 10, "phi1": 13, "gpt3": 13, "llama": 10, "llama3": 8}
_RATIO: dict[str, float] = {"none": 0.5, "cosmopedia": 0.5, "phi1": 0.0, "gpt3": 0.0, "llama": 0.8, "llama3": 0.8}
_ABOVE = ("cosmopedia", "phi1", "gpt3")
"""Rules that drop what is above their limit; the others what reaches it."""
_PIECES = 10
"""A document that GPT-3's rule cuts into more leaves."""
_ROWS = pa.schema(
    [
        ("partition", pa.int64()),
        ("row", pa.int64()),
        ("seed", pa.int64()),
        ("whole", pa.bool_()),
        ("text", pa.int64()),
        ("ratio", pa.float64()),
        ("rung", pa.string()),
        ("spans", pa.string()),
        ("span", pa.string()),
        ("seeds", pa.list_(pa.int64())),
    ]
)
_FACTS = pa.schema([*(field for field in _ROWS if field.name not in ("partition", "whole")), ("stock", pa.bool_())])
"""A match of a document (`text` set), or a seed it holds: stock, or for GPT-3's rule to be cut out at `spans`."""


class Ladder(Across):
    """Finds benchmark items by shared seeds of 24 letters in any disguise, aligns each, drops what holds one.

    Marks of the best match, null where there is none: `decontaminate.benchmark` (string, the file's name),
    `decontaminate.item` (string, file and item), `decontaminate.ratio` (float64, share of the item that is there),
    `decontaminate.rung` (string: `whole`, `aligned`; `ngrams` for published rules), `decontaminate.spans` (string,
    where in the document, as ranges of characters), `decontaminate.span` (string, the longest of them),
    `decontaminate.evidence` (string, item and spans), `decontaminate.source` (string, the subset the document is from).
    With `compat: gpt3` also `decontaminate.pieces` (int64, into how many the document falls when hits are cut out),
    `decontaminate.left` (int64, characters of them that stay), and `text` is what stays.
    With `neighbours` also `decontaminate.neighbour` (string, item) and `decontaminate.likeness` (float64, cosine).
    """

    version: ClassVar[str] = "2"
    reads: ClassVar[tuple[str, ...] | None] = None
    in_threads: ClassVar[bool] = True

    against: list[InputPath] = knob(
        help="files, folders, globs or hf:// names of items that must not be in the data; [] checks nothing",
        unit="paths",
    )
    compat: Compat = knob(
        "none", help="a published rule in place of the ladder: cosmopedia, phi1, gpt3, llama (of Llama 2) or llama3"
    )
    n: int | None = knob(
        None,
        help="words under which an item counts only whole (10); with compat, words of an n-gram (10; phi1 and gpt3 13; "
        "llama3 8)",
        unit="words",
        source=_COSMOPEDIA,
        ge=3,
        le=50,
    )
    min_words: int = knob(
        3, help="shortest item that is looked for, where it counts only whole; our choice", unit="words", ge=1
    )
    min_letters: int = knob(
        60,
        help="letters and digits of a match that tells; fewer do only as nine tenths of the item; our choice",
        unit="characters",
        ge=0,
    )
    common: int = knob(
        10,
        help="a seed that more items than this share without sharing a passage, or that more documents hold without "
        "holding an item of it, is stock (licences, set phrases) and no evidence",
        unit="items, documents",
        source=_GPT3,
        ge=1,
    )
    min_ratio: float | None = knob(
        None,
        help="smallest share of an item whose presence drops the document (0.5; phi1 any; llama and llama3 0.8; gpt3 "
        "counts pieces instead)",
        unit="share of the item",
        source=_COSMOPEDIA,
        threshold=True,
        ge=0.0,
        le=1.0,
    )
    neighbours: bool = knob(
        False, help="also compare paragraphs with items by meaning (vectors of the package wordllama)"
    )
    min_likeness: float = knob(
        0.9,
        help="smallest cosine of a paragraph and an item that drops the document, with neighbours; our choice",
        unit="cosine",
        threshold=True,
        ge=-1.0,
        le=1.0,
    )
    action: Literal["drop", "report"] = knob("drop", help="drop what holds an item, or mark it only")
    by: str = knob("source", help="column that names a document's subset, for the table; else the file it is from")

    def rounds(self) -> tuple[Round, ...]:
        return (Round((TEXT,), lambda piece, row, _: self.map(piece, row), self.reduce),)

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        rows: list[dict[str, Any]] = []
        for at, found in self._found(piece.column(TEXT)).items():
            home = row + at
            rows += [
                {"partition": seed, "row": home, "seed": seed, "whole": whole, "spans": found.places.get(seed)}
                for seed, whole in found.seeds.items()
            ]
            rows += [
                {"partition": home, "row": home, "text": p.text, "ratio": p.ratio, "rung": p.rung}
                | {"spans": p.spans, "span": p.span, "seeds": p.seeds}
                for p in found.pairs
            ]
        return pa.Table.from_pylist(rows, _ROWS)

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Stock seeds of each document, seeds to be cut out of it, and its matches as they were."""
        matches = rows.filter(rows.column("text").is_valid())
        seeded = rows.filter(rows.column("text").is_null())
        if self.compat not in ("none", "gpt3"):
            seeded = seeded.slice(0, 0)
        outside = ~seeded.column("whole").to_numpy(zero_copy_only=False).astype(bool)
        _, which = np.unique(seeded.column("seed").to_numpy(), return_inverse=True)
        stock = pa.array(np.bincount(which, weights=outside)[which] > self.common)
        seeded = seeded.append_column("stock", stock)
        if self.compat == "none":
            seeded = seeded.filter(stock)
        matches = matches.append_column("stock", pa.nulls(matches.num_rows, pa.bool_()))
        return pa.concat_tables([seeded, matches]).select(_FACTS.names)

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        best = self._best(facts, row) if "text" in facts.column_names else {}
        items = self._items() if best else []
        shown = ("ratio", "rung", "spans", "span")
        marks: dict[str, list[Any]] = {name: [None] * piece.num_rows for name in ("benchmark", "item", *shown)}
        marks |= {name: [None] * piece.num_rows for name in ("evidence", "source")}
        for at, match in best.items():
            item = items[match["text"]]
            marks["benchmark"][at], marks["item"][at] = item.benchmark, item.key
            for name in shown:
                marks[name][at] = match[name]
            marks["evidence"][at] = f"{item.key}, characters {match['spans']}" if match["spans"] else item.key
            marks["source"][at] = self._source(piece, at)
        columns = {
            f"decontaminate.{name}": pa.array(values, pa.float64() if name == "ratio" else pa.string())
            for name, values in marks.items()
        }
        if self.compat == "gpt3":
            from hornbook.stages.decontaminate._cutting import marks_of

            columns |= marks_of(piece, row, facts, cut_text=self.action == "drop")
        return pa.table(columns | self._near(piece))

    def drops(self) -> dict[str, Rule]:
        if self.action == "report":
            return {}
        op: Literal[">", ">="] = ">" if self.compat in _ABOVE and self.min_ratio is None else ">="
        if self.compat == "cosmopedia":
            op = ">"
        proof = "decontaminate.evidence"
        rules = {"contaminated": Rule("decontaminate.ratio", op, self._limit(), evidence=proof)}
        if self.compat == "gpt3":
            rules = {
                "contaminated": Rule("decontaminate.pieces", ">", _PIECES, evidence=proof),
                "nothing_left": Rule("decontaminate.left", "==", 0, evidence=proof),
            }
        if self.neighbours:
            rules["neighbour"] = Rule(
                "decontaminate.likeness", ">=", self.min_likeness, evidence="decontaminate.neighbour"
            )
        return rules

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """source → benchmark → item → thousandths of the ratio → documents."""
        sums: dict[str, Any] = {}
        names = [f"decontaminate.{name}" for name in ("source", "benchmark", "item", "ratio")]
        some = marks.select(names).filter(marks.column("decontaminate.ratio").is_valid())
        for source, benchmark, item, ratio in zip(*(column.to_pylist() for column in some.columns), strict=True):
            part = str(int(np.ceil(ratio * 1000 - 1e-9) if self.compat in _ABOVE else np.floor(ratio * 1000 + 1e-9)))
            counts = sums.setdefault(source, {}).setdefault(benchmark, {}).setdefault(item, {})
            counts[part] = counts.get(part, 0) + 1
        return {"found": sums} if sums else {}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The table of Cosmopedia's article: contaminated documents of each subset, and of how many items."""
        limit = round(self._limit() * 1000)
        table: dict[str, dict[str, dict[str, int]]] = {}
        least = limit + 1 if self.compat in _ABOVE else limit
        for source, benchmarks in sorted(sums.get("found", {}).items()):
            for benchmark, items in sorted(benchmarks.items()):
                many = [sum(n for part, n in counts.items() if int(part) >= least) for counts in items.values()]
                if any(many):
                    cell = {"documents": sum(many), "items": sum(n > 0 for n in many)}
                    table.setdefault(source, {})[benchmark] = cell
        return {"contaminated": table}

    def _limit(self) -> float:
        return _RATIO[self.compat] if self.min_ratio is None else self.min_ratio

    def _found(self, texts_of: pa.ChunkedArray) -> dict[int, Found]:
        """What each document of a piece holds."""
        if not self.against:
            return {}
        from hornbook.kernels.words import blocks, texts
        from hornbook.stages.decontaminate import _climbing, _published
        from hornbook.stages.decontaminate._pairs import column

        n = _N[self.compat] if self.n is None else self.n
        found: dict[int, Found] = {}
        if self.compat == "none":
            bench = _climbing.load(self.against, n, self.min_words, self.common)
            data, offsets = texts(texts_of)
            for first, last in blocks(offsets):
                some = _climbing.climb(data, offsets[first : last + 1], bench, self.min_letters)
                found |= {first + row: one for row, one in some.items()}
            return found
        whole = texts_of.cast(pa.large_string()).combine_chunks().fill_null("") if len(texts_of) else column([])
        if self.compat == "cosmopedia":
            return _published.cosmopedia(whole, _published.load_cosmopedia(self.against, n))
        return _published.overlaps(whole, _published.load_overlaps(self.against, self.compat, n))

    def _items(self) -> list[Item]:
        """The items by number of text, as the rule numbers them."""
        from hornbook.stages.decontaminate import _climbing, _published

        n = _N[self.compat] if self.n is None else self.n
        if self.compat == "none":
            return _climbing.load(self.against, n, self.min_words, self.common).items
        if self.compat == "cosmopedia":
            return _published.load_cosmopedia(self.against, n).items
        return _published.load_overlaps(self.against, self.compat, n).items

    def _best(self, facts: pa.Table, row: int) -> dict[int, dict[str, Any]]:
        """Of each document the best match that has a seed which is no stock."""
        stock: dict[int, set[int]] = {}
        matches: dict[int, list[dict[str, Any]]] = {}
        for fact in facts.to_pylist():
            if fact["stock"]:
                stock.setdefault(fact["row"] - row, set()).add(fact["seed"])
            elif fact["text"] is not None:
                matches.setdefault(fact["row"] - row, []).append(fact)
        out = {}
        for at, several in matches.items():
            own = stock.get(at, set())
            good = [match for match in several if not match["seeds"] or not own.issuperset(match["seeds"])]
            if good:
                out[at] = min(good, key=lambda match: (-match["ratio"], match["text"]))
        return out

    def _source(self, piece: pa.Table, at: int) -> str:
        """The subset of a document."""
        if self.by in piece.column_names:
            return str(piece.column(self.by)[at].as_py())
        origin = piece.column(ORIGIN)[at].as_py() if ORIGIN in piece.column_names else None
        file, _, place = str(origin or "").rpartition(":")
        return file or place

    def _near(self, piece: pa.Table) -> dict[str, pa.Array]:
        if not self.neighbours or not self.against:
            return {}
        from hornbook.stages.decontaminate._neighbours import load, nearest

        items, likeness = nearest(piece.column(TEXT).combine_chunks(), load(self.against))
        found = pa.array(likeness, pa.float64(), from_pandas=True)
        return {"decontaminate.neighbour": pa.array(items, pa.string()), "decontaminate.likeness": found}
