"""What the page says about documents: one pass over them, one over the drops, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import EVIDENCE, ID, MESSAGES, ORIGIN, PROMPT, REASON, TEXT
from hornbook.core.stage import Artifact, Inputs
from hornbook.stages.report._sketch import Distinct, Frequent, Lengths, Sample
from hornbook.store.parts import pieces

OPENING, WORDS, CHARACTERS, FEATURES = "quality.opening", "quality.words", "quality.characters", "story.features"
SPAN = "decontaminate.span"
_REASONS = 40
_CURVE = 100_000


@dataclass
class Corpus:
    """What the pass over the final documents found."""

    rows: int = 0
    words: Lengths = field(default_factory=Lengths)
    characters: Lengths = field(default_factory=Lengths)
    openings: Frequent = field(default_factory=Frequent)
    features: Frequent = field(default_factory=Frequent)
    with_features: int = 0
    prompts: Distinct = field(default_factory=Distinct)
    with_prompts: int = 0
    marks: dict[str, Mark] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Mark:
    """A numeric mark over all documents."""

    rows: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, column: pa.ChunkedArray) -> None:
        values = column.drop_null().cast(pa.float64())
        values = values.filter(pc.is_finite(values))
        if len(values):
            ends = pc.min_max(values).as_py()
            self.rows += len(values)
            self.total += pc.sum(values).as_py()
            self.least, self.most = min(self.least, ends["min"]), max(self.most, ends["max"])


def corpus(inputs: Inputs, samples: int, opening_words: int, tick: Callable[[float, str], None]) -> Corpus:
    """Stream the final documents once."""
    found, sample, rows = Corpus(), Sample(samples), max(1, inputs.rows())
    for piece in inputs.documents(_columns(inputs)):
        found.rows += piece.num_rows
        _measure(found, piece, opening_words)
        shown = [n for n in (ID, TEXT, ORIGIN, PROMPT, MESSAGES, FEATURES) if n in piece.column_names]
        sample.add(piece.select(shown))
        tick(min(1.0, found.rows / rows), f"{found.rows:,} documents read")
    found.sample = sample.rows()
    return found


def _columns(inputs: Inputs) -> list[str]:
    """Of the columns there are, those that the page shows: texts, and marks that are numbers."""
    first = next(iter(inputs.documents()), None)
    if first is None:
        return [ID, TEXT]
    known = (ID, TEXT, ORIGIN, PROMPT, MESSAGES, OPENING, FEATURES)
    return [f.name for f in first.schema if f.name in known or ("." in f.name and _is_number(f.type))]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _measure(found: Corpus, piece: pa.Table, opening_words: int) -> None:
    from hornbook.kernels.words import count, normalise, texts

    names = piece.column_names
    if WORDS in names and piece.column(WORDS).null_count == 0:
        found.words.add(piece.column(WORDS).to_numpy())
    else:
        found.words.add(np.asarray(count(*texts(piece.column(TEXT))), np.int64))
    if CHARACTERS in names and piece.column(CHARACTERS).null_count == 0:
        found.characters.add(piece.column(CHARACTERS).to_numpy())
    else:
        found.characters.add(pc.fill_null(pc.utf8_length(piece.column(TEXT)), 0).to_numpy())
    if OPENING in names:
        found.openings.add(piece.column(OPENING))
    else:
        first = normalise(piece.column(TEXT), "words", most_words=opening_words, most_bytes=256).cast(pa.string())
        found.openings.add(pa.chunked_array([pc.if_else(pc.equal(first, ""), pa.scalar(None, pa.string()), first)]))
    if FEATURES in names:
        found.with_features += piece.num_rows - piece.column(FEATURES).null_count
        found.features.add(_listed(piece.column(FEATURES)))
    prompt = next((name for name in (PROMPT, MESSAGES) if name in names), None)
    if prompt is not None:
        found.with_prompts += piece.num_rows - piece.column(prompt).null_count
        found.prompts.add(piece.column(prompt).cast(pa.string()))
    for name in names:
        if "." in name and _is_number(piece.schema.field(name).type):
            found.marks.setdefault(name, Mark()).add(piece.column(name))


def _listed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The single values of a column of lists, or of strings that name several with commas."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.split_pattern(column, ",")
        inner = pc.utf8_trim_whitespace(pc.list_flatten(column))
        return inner.filter(pc.not_equal(inner, ""))
    return pc.list_flatten(column).cast(pa.string())


def examples(artifact: Artifact, many: int) -> dict[str, list[dict[str, Any]]]:
    """A few of the documents a step dropped, by reason."""
    found: dict[str, Sample] = {}
    for piece in dropped(artifact, (ID, TEXT, ORIGIN, SPAN, REASON, EVIDENCE)):
        for reason in piece.column(REASON).unique().to_pylist():
            if reason not in found and len(found) == _REASONS:
                continue
            rows = piece.filter(pc.equal(piece.column(REASON), reason))
            found.setdefault(reason, Sample(many)).add(rows)
    return {reason: sample.rows() for reason, sample in found.items()}


def evidence_of(artifact: Artifact, column: str) -> Frequent:
    """How often each value of a mark stands among the drops."""
    found = Frequent()
    for piece in dropped(artifact, (column,)):
        if column in piece.column_names:
            found.add(piece.column(column).cast(pa.string()))
    return found


def dropped(artifact: Artifact, columns: Sequence[str]) -> Iterator[pa.Table]:
    """What a step dropped, piece by piece; columns it does not have are left out."""
    for entry in artifact.manifest.get("drops", []):
        path = artifact.folder / "dropped" / entry["file"]
        if path.exists():
            yield from pieces(path, columns)


@dataclass
class Groups:
    """Groups of equal documents: how many, the largest, and some of the documents kept for them."""

    groups: int = 0
    largest: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)


def groups(artifact: Artifact, most: int = 3) -> Groups | None:
    """The groups of duplicates behind the documents a dedup step kept; None where it leaves no such mark."""
    found, sample, mark = Groups(), Sample(most), ""
    for entry in artifact.manifest.get("parts", []):
        for piece in pieces(artifact.folder / entry["file"]):
            mark = next((n for n in piece.column_names if n.startswith("dedup.") and n.endswith("_copies")), "")
            if not mark:
                return None
            some = piece.filter(pc.greater(piece.column(mark), 1)).select([ID, TEXT, mark])
            found.groups += some.num_rows
            found.largest = max(found.largest, pc.max(piece.column(mark)).as_py() or 0)
            sample.add(some.rename_columns([ID, TEXT, "copies"]), -some.column(mark).to_numpy())
    found.rows = sample.rows()
    return found if mark else None


def written(artifact: Artifact, most: int = 8) -> list[dict[str, Any]]:
    """Texts a student wrote, where a job left `samples.parquet`: one of each kind and temperature."""
    path = artifact.folder / "samples.parquet"
    if artifact.makes == "documents" or not path.is_file():
        return []
    found: dict[tuple[Any, ...], Sample] = {}
    for piece in pieces(path, (ID, TEXT, PROMPT, "completion", "kind", "temperature", "ended")):
        sorts = [name for name in ("kind", "temperature") if name in piece.column_names]
        keys = list(zip(*(piece.column(name).to_pylist() for name in sorts), strict=True)) or [()] * piece.num_rows
        for key in dict.fromkeys(keys):
            if key in found or len(found) < most:
                found.setdefault(key, Sample(1)).add(piece.filter(pa.array([other == key for other in keys])))
    return [row for sample in found.values() for row in sample.rows()]


def curve(artifact: Artifact, most: int = 300) -> list[Mapping[str, Any]]:
    """The rows of a learning curve, thinned evenly to at most `most`; the last row is always there."""
    import orjson

    path = artifact.folder / "curve.jsonl"
    if not path.is_file():
        return []
    rows: list[Mapping[str, Any]] = []
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                rows.append(row)
            if len(rows) == _CURVE:
                break
    every = -(-len(rows) // most) if rows else 1
    some = [row for at, row in enumerate(rows) if at % every == 0]
    return some if not rows or some[-1] is rows[-1] else [*some, rows[-1]]
