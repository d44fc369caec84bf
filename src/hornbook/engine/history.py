"""One document's whole history: from its seeds to where it stopped, reading only the row groups that hold it.

A step's part `part-00017-*` holds what became of part 17 of the documents above, so a document is looked for
among all ids of the source that made it and from there on in the few files that can hold it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hornbook.core.documents import EVIDENCE, ID, REASON
from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact
from hornbook.store.artifacts import Above
from hornbook.store.journal import Journal

SEEDS = (".seeds", ".seed")
"""Columns whose values name rows of earlier steps."""

REQUEST = ".request"
"""Columns that hold the key of a request in the journal."""

IDS_LOOKED_AT = 200_000
"""How many ids are compared with one that was not found."""


@dataclass
class Passage:
    """A document in one step.

    Args:
        step, use: which.
        row: the document as it left the step.
        added: columns that the step added or changed, with their values.
        dropped: the reason, or None where it was kept.
        evidence: of the drop.
    """

    step: str
    use: str
    row: dict[str, Any]
    added: dict[str, Any]
    dropped: str | None = None
    evidence: str = ""


@dataclass
class History:
    """All that is known of a document.

    Args:
        id: its id.
        seeds: the rows its prompt was built from, each with the `step` that holds it.
        passages: the steps it went through, in order.
        requests: what was asked for it and what came back, by step.
        split: step that makes tokens → train or val, where the step says so.
        final: whether it is among the last documents.
    """

    id: str
    seeds: list[dict[str, Any]] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    split: dict[str, str] = field(default_factory=dict)
    final: bool = False


def history(steps: Sequence[Artifact], wanted: str, journal: Path) -> History:
    """Trace a document through a run.

    Args:
        steps: the run's finished steps, in order.
        wanted: the document's id.
        journal: the journal's folder.

    Raises:
        UserError: no step has that id; names the nearest.
    """
    documents = [step for step in steps if step.makes == "documents"]
    found = History(wanted)
    places: dict[str, tuple[Path, dict[str, Any]]] = {}
    for step in documents:
        hit = _find(step, documents, wanted, places)
        if hit is None:
            continue
        path, row, before = hit
        gone = path.parent.name == "dropped"
        if not gone:
            places[step.manifest["output"]] = (path, row)
        found.passages.append(_passage(step, row, before, gone))
    if not found.passages:
        raise _unknown(wanted, documents)
    last = found.passages[-1]
    found.final = last.dropped is None and last.step == documents[-1].step
    found.seeds = _seeds(documents, found.passages)
    found.requests = _requests(found.passages, journal)
    found.split = _splits(steps, wanted, places)
    return found


def _find(
    step: Artifact, documents: Sequence[Artifact], wanted: str, places: dict[str, tuple[Path, dict[str, Any]]]
) -> tuple[Path, dict[str, Any], dict[str, Any]] | None:
    """(file, row, the row as it was above) of the document in a step, or None."""
    if step.manifest["kind"] == "source":
        hit = _look(_files(step), [wanted])
        return (*hit[wanted], {}) if wanted in hit else None
    inputs = step.manifest["inputs"]
    came = next((places[name] for name in inputs if name in places), None)
    if came is None:
        return None
    by_output = {artifact.manifest["output"]: artifact for artifact in documents}
    sources = [by_output[name] for name in inputs if name in by_output]
    at = Above(sources, sources).parts().index(came[0])
    hit = _look((path for path in _files(step) if path.name.startswith(f"part-{at:05d}-")), [wanted])
    return (*hit[wanted], came[1]) if wanted in hit else None


def _files(step: Artifact) -> Iterator[Path]:
    """Parts, kept ones first."""
    yield from (step.folder / part["file"] for part in step.manifest["parts"])
    yield from (step.folder / "dropped" / part["file"] for part in step.manifest["drops"])


def _look(paths: Iterable[Path], wanted: Sequence[str]) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Rows by id: the id column is read where a row group's bounds allow the id, the rest only where it is."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in paths:
        with pq.ParquetFile(path) as file:
            at = file.schema_arrow.get_field_index(ID)
            for group in range(file.num_row_groups if at >= 0 else 0):
                left = [key for key in wanted if key not in found and _may_hold(file, group, key)]
                if not left:
                    continue
                ids = file.read_row_group(group, columns=[ID]).column(ID)
                hits = pc.indices_nonzero(pc.is_in(ids, pa.array(left, ids.type)))
                if len(hits):
                    for row in file.read_row_group(group).take(hits).to_pylist():
                        found.setdefault(row[ID], (path, row))
        if len(found) == len(set(wanted)):
            break
    return found


def _may_hold(file: pq.ParquetFile, group: int, key: str) -> bool:
    """Whether the smallest and largest id of a row group leave room for the key."""
    columns = file.metadata.row_group(group)
    for at in range(columns.num_columns):
        column = columns.column(at)
        if column.path_in_schema == ID:
            bounds = column.statistics
            if bounds is None or not bounds.has_min_max or not isinstance(bounds.min, str):
                return True
            return bool(bounds.min.encode() <= key.encode() <= bounds.max.encode())
    return True


def _passage(step: Artifact, row: dict[str, Any], before: dict[str, Any], gone: bool) -> Passage:
    reason, evidence = (row.pop(REASON, None), row.pop(EVIDENCE, None)) if gone else (None, None)
    added = {name: value for name, value in row.items() if name not in before or _differs(before[name], value)}
    return Passage(step.step, step.stage, row, added, None if not gone else str(reason), str(evidence or ""))


def _differs(one: Any, other: Any) -> bool:
    """Whether two values differ; NaN is the same as NaN."""
    return bool(one != other and repr(one) != repr(other))


def _seeds(documents: Sequence[Artifact], passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The rows that columns like `story.seeds` name, looked for in the steps above the document's first."""
    row = passages[-1].row
    names = [key for column in row if column.endswith(SEEDS) for key in _names(row[column])]
    if not names:
        return []
    first = next(at for at, step in enumerate(documents) if step.step == passages[0].step)
    found: dict[str, dict[str, Any]] = {}
    for step in reversed(documents[:first]):
        left = [name for name in names if name not in found]
        for key, (_, seed) in _look(_files(step), left).items() if left else ():
            found[key] = {"step": step.step, **seed}
    return [found[name] for name in dict.fromkeys(names) if name in found]


def _names(value: Any) -> list[str]:
    """Ids in a seeds column: a list, a JSON list, or one id."""
    if isinstance(value, (list, tuple)):
        return [str(name) for name in value]
    if isinstance(value, str) and value.startswith("["):
        try:
            inner = json.loads(value)
        except ValueError:
            return [value]
        return [str(name) for name in inner]
    return [] if value is None else [str(value)]


def _requests(passages: Sequence[Passage], journal: Path) -> list[dict[str, Any]]:
    """What the journal holds for every request key that a step wrote into a column."""
    keys = [
        (passage.step, value)
        for passage in passages
        for column, value in passage.added.items()
        if column.endswith(REQUEST) and isinstance(value, str) and value
    ]
    if not keys or not journal.is_dir():
        return []
    reader = Journal(journal)
    try:
        return [{"step": step, "key": key, **_asked(reader, key)} for step, key in keys]
    finally:
        reader.close()


def _asked(reader: Journal, key: str) -> dict[str, Any]:
    """A request and its reply, as the journal has them."""
    from hornbook.teachers.reading import read_reply

    entry = reader.find([key]).get(key)
    found: dict[str, Any] = {"request": reader.request(key), "reply": None}
    if entry is None:
        return found
    if entry.raw is None:
        return found | {"reply": {"error": entry.error, "detail": entry.detail}}
    reply = read_reply(key, entry.raw)
    names = ("text", "finish", "prompt_tokens", "completion_tokens", "seconds", "error", "detail")
    return found | {"reply": {name: getattr(reply, name) for name in names}}


def _splits(steps: Sequence[Artifact], wanted: str, places: dict[str, tuple[Path, dict[str, Any]]]) -> dict[str, str]:
    """train or val, for steps that write the ids of what they hold out to `val.parquet`."""
    found = {}
    for step in steps:
        held = step.folder / "val.parquet"
        if step.makes == "tokens" and held.exists() and any(name in places for name in step.manifest["inputs"]):
            found[step.step] = "val" if _look([held], [wanted]) else "train"
    return found


def _unknown(wanted: str, documents: Sequence[Artifact]) -> UserError:
    """Says which ids are most like the one asked for; looks at a bounded number of ids."""
    ids: list[str] = []
    for step in documents:
        if step.manifest["kind"] == "source":
            ids += _ids(_files(step), IDS_LOOKED_AT - len(ids))
    folded = wanted.casefold()
    near = [key for key in ids if folded in key.casefold() or key.casefold() in folded][:3]
    near += _alike(wanted, ids)
    hint = ", ".join(f"`{key[:80]}`" for key in list(dict.fromkeys(near))[:4])
    some = ", ".join(f"`{key[:80]}`" for key in ids[:3])
    return UserError(
        f"no document has the id `{wanted[:200]}`",
        fix=f"did you mean {hint}?" if hint else f"ids look like {some}" if some else "the run has no documents",
    )


def _ids(paths: Iterable[Path], most: int) -> list[str]:
    found: list[str] = []
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups if ID in file.schema_arrow.names else 0):
                if len(found) >= most:
                    return found
                ids = file.read_row_group(group, columns=[ID]).column(ID).to_pylist()
                found += [key for key in ids if key is not None]
    return found


def _alike(wanted: str, ids: Sequence[str]) -> list[str]:
    """The three ids that share most letters from both ends, if they share enough at all (difflib 0.6)."""
    scored = [(-_shared(key, wanted), abs(len(key) - len(wanted)), key) for key in ids if key]
    best = [key for score, _, key in sorted(scored)[:50] if -score * 2 >= len(wanted)]
    ratios = [difflib.SequenceMatcher(None, key, wanted).ratio() for key in best]
    return [key for key, ratio in zip(best, ratios, strict=True) if ratio >= 0.6][:3]


def _shared(one: str, other: str) -> int:
    """How many letters are the same from the front, and from the back."""
    front = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    pairs = zip(reversed(one), reversed(other), strict=False)
    return front + next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
