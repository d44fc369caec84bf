"""The work of one item, run by any worker. An item names its work by path; its result is a small record.

What an item wrote is said by a record beside it, written last; a resumed step skips items with a record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hornbook.core.documents import with_columns
from hornbook.core.rules import Rule, select
from hornbook.core.stage import Across, Ask, Dropped, Each, Source, Stage
from hornbook.engine.careful import ERROR, ERROR_RULE, carefully
from hornbook.engine.finding import find_stage
from hornbook.engine.keys import scorer
from hornbook.store.artifacts import Above
from hornbook.store.files import read_json, write_json
from hornbook.store.parts import PartWriter, pieces, read_tables, write_table

RECORDS = ".items"
SHUFFLE = ".shuffle"
TAKEN = f"{RECORDS}/taken.npy"
"""Which rows were asked, where fewer replies were wanted than there are rows."""


@dataclass(frozen=True, slots=True)
class Work:
    """A step, as a worker needs to know it: all by value or by path.

    Args:
        use: the stage's path.
        knobs: its knobs, as JSON.
        above: `Above.describe()`.
        recipe: the resolved recipe, where the stage may see it.
        folder: the step's folder.
        marks: the folder of its marks.
        model: the teacher's name, for a stage that asks.
        params: the sampling parameters of the teacher's spec, for a stage that asks.
        journal: the journal's folder, for a stage that asks.
    """

    use: str
    knobs: dict[str, Any]
    above: list[dict[str, Any]]
    folder: Path
    marks: Path
    recipe: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    journal: Path = Path()

    def stage(self) -> Stage:
        """The stage with all its knobs."""
        return find_stage(self.use).model_validate(self.knobs)

    def inputs(self) -> Above:
        """What stands above."""
        above = Above.from_description(self.above)
        above.recipe = self.recipe
        return above


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a step: its number, and whatever names it.

    For a source what it said, for a partition its number, else the part's path and first row number.
    """

    work: Work
    at: int
    what: Any = None


def read_source(item: Item) -> dict[str, Any]:
    """Read one work item of a source."""
    stage = item.work.stage()
    assert isinstance(stage, Source)
    inputs = item.work.inputs()
    rules = stage.drops()

    def flow() -> Iterator[tuple[pa.Table, pa.Table]]:
        for found in stage.read(item.what, inputs):
            if isinstance(found, Dropped):
                yield found.table.slice(0, 0), found.table
            elif rules:
                yield select(found, rules)
            else:
                yield found, found.slice(0, 0)

    return _write(item, flow(), stage.drops())


def mark_each(item: Item) -> dict[str, Any]:
    """Mark one part, and drop what the rules say."""
    stage = item.work.stage()
    assert isinstance(stage, Each)
    score = scorer(stage)
    assert isinstance(score, Each)
    return _mark(item, stage, lambda piece, _: score.each(_seen(piece, stage)))


def map_across(item: Item) -> dict[str, Any]:
    """Map one part to partitions, on disk."""
    stage = scorer(item.work.stage())
    assert isinstance(stage, Across)
    part, row = item.what
    found = []
    for piece in pieces(part, stage.reads):
        found.append(stage.map(piece, row))
        row += piece.num_rows
    files = []
    if found:
        table = pa.concat_tables(found, promote_options="permissive")
        partition = table.column("partition").to_numpy()
        order = np.argsort(partition, kind="stable")
        table, partition = table.take(pa.array(order)), partition[order]
        edges = np.searchsorted(partition, np.arange(stage.partitions + 1))
        for number in range(stage.partitions):
            start, end = int(edges[number]), int(edges[number + 1])
            if end > start:
                path = item.work.marks / SHUFFLE / "map" / f"{number:05d}" / f"{item.at:05d}.arrow"
                write_table(path, table.slice(start, end - start).combine_chunks())
                files.append(number)
    return _record(item.work.marks, "map", item.at, {"partitions": files}, durable=False)


def reduce_across(item: Item) -> dict[str, Any]:
    """Reduce one partition to facts, and give each part its own."""
    stage = scorer(item.work.stage())
    assert isinstance(stage, Across)
    inputs = item.work.inputs()
    shuffle = item.work.marks / SHUFFLE
    rows = read_tables(sorted((shuffle / "map" / f"{item.at:05d}").glob("*.arrow")))
    if rows is not None:
        facts = stage.reduce(rows, inputs.rows()).sort_by("row")
        write_table(shuffle / "columns" / f"{item.at:05d}.arrow", facts.slice(0, 0).combine_chunks())
        starts = np.array([*inputs.starts(), inputs.rows()])
        edges = np.searchsorted(facts.column("row").to_numpy(), starts)
        for part in range(len(starts) - 1):
            start, end = int(edges[part]), int(edges[part + 1])
            if end > start:
                some = facts.slice(start, end - start).combine_chunks()
                write_table(shuffle / "facts" / f"{part:05d}" / f"{item.at:05d}.arrow", some)
    return _record(item.work.marks, "reduce", item.at, {}, durable=False)


def apply_across(item: Item) -> dict[str, Any]:
    """Mark one part with the facts about its documents, and drop what the rules say."""
    stage = item.work.stage()
    assert isinstance(stage, Across)
    score = scorer(stage)
    assert isinstance(score, Across)
    first = item.what[1]
    shuffle = item.work.marks / SHUFFLE
    own = sorted((shuffle / "facts" / f"{item.at:05d}").glob("*.arrow"))
    found = read_tables([*sorted((shuffle / "columns").glob("*.arrow")), *own])
    facts = pa.table({"row": pa.array([], pa.int64())}) if found is None else found.sort_by("row")
    numbers = facts.column("row").to_numpy()

    def marks(piece: pa.Table, offset: int) -> pa.Table:
        row = first + offset
        start, end = np.searchsorted(numbers, [row, row + piece.num_rows])
        return score.apply(_seen(piece, stage), row, facts.slice(int(start), int(end - start)))

    return _mark(item, stage, marks)


def take_replies(item: Item) -> dict[str, Any]:
    """Read the replies for one part from the journal into marks, and drop what the rules say."""
    from hornbook.engine.asking import replies_for
    from hornbook.engine.wanting import Taken, spread
    from hornbook.store.journal import Journal

    stage = item.work.stage()
    assert isinstance(stage, Ask)
    score = scorer(stage)
    assert isinstance(score, Ask)
    journal = Journal(item.work.journal)

    taken = Taken.load(item.work.marks / TAKEN)
    first = item.work.inputs().starts()[item.at] if taken is not None else 0

    def marks(piece: pa.Table, offset: int) -> pa.Table:
        seen = _seen(piece, stage)
        asked = None if taken is None else taken.mask(first + offset, piece.num_rows)
        some = seen if asked is None else seen.filter(pa.array(asked))
        replies = replies_for(score, some, item.work.model, item.work.params, journal)
        return score.take(seen, replies if asked is None else spread(replies, asked.tolist()))

    try:
        return _mark(item, stage, marks)
    finally:
        journal.close()


def record_of(folder: Path, kind: str, at: int) -> dict[str, Any] | None:
    """What an item did, or None when it is not done."""
    found: dict[str, Any] | None = read_json(folder / RECORDS / f"{kind}-{at:05d}.json")
    return found


def _seen(piece: pa.Table, stage: Stage) -> pa.Table:
    """The piece with only those columns the stage says it reads."""
    if stage.reads is None:
        return piece
    return piece.select([name for name in stage.reads if name in piece.column_names])


def _mark(item: Item, stage: Stage, compute: Callable[[pa.Table, int], pa.Table]) -> dict[str, Any]:
    """Marks from disk where they are done, else computed and kept; then the rules."""
    work = item.work
    part = item.what[0]
    known = record_of(work.marks, "marks", item.at)
    rules = stage.drops()

    def flow() -> Iterator[tuple[pa.Table, pa.Table]]:
        if known is not None:
            marked = (m for file in known["parts"] for m in pieces(work.marks / file["file"]))
            for piece in pieces(part):
                yield selected(piece, next(marked) if known["parts"] else None, rules)
            return
        offset = 0
        with PartWriter(work.marks, f"marks-{item.at:05d}", gather=False) as writer:
            for piece in pieces(part):
                marks = carefully(compute, piece, offset, work.use)
                if marks.num_columns:
                    writer.write(marks)
                yield selected(piece, marks if marks.num_columns else None, rules)
                offset += piece.num_rows
        _record(work.marks, "marks", item.at, {"parts": writer.files})

    return _write(item, flow(), rules)


def selected(piece: pa.Table, marks: pa.Table | None, rules: dict[str, Rule]) -> tuple[pa.Table, pa.Table]:
    """(what the rules keep of a piece, what they drop), both with the marks."""
    whole = piece if marks is None else with_columns(piece, marks)
    if marks is not None and ERROR in marks.column_names:
        failed_all = marks.column(ERROR).null_count == 0
        kept, dropped = select(whole, ERROR_RULE if failed_all else ERROR_RULE | rules)
        return kept.drop_columns([ERROR]), dropped
    return select(whole, rules)


def _write(item: Item, flow: Iterator[tuple[pa.Table, pa.Table]], rules: dict[str, Rule]) -> dict[str, Any]:
    """Write what is kept and what is dropped, and the record of both."""
    began = time.monotonic()
    folder = item.work.folder
    reasons: dict[str, int] = {}
    kept = dropped = 0
    with (
        PartWriter(folder, f"part-{item.at:05d}") as keep,
        PartWriter(folder / "dropped", f"part-{item.at:05d}") as drop,
    ):
        for good, gone in flow:
            keep.write(good)
            drop.write(gone)
            kept += good.num_rows
            dropped += gone.num_rows
            if gone.num_rows:
                for entry in gone.column("reason").value_counts().to_pylist():
                    reasons[entry["values"]] = reasons.get(entry["values"], 0) + entry["counts"]
    ordered = {name: reasons.pop(name) for name in rules if name in reasons} | dict(sorted(reasons.items()))
    return _record(
        folder,
        "part",
        item.at,
        {
            "rows_in": kept + dropped,
            "kept": kept,
            "dropped": dropped,
            "reasons": ordered,
            "parts": keep.files,
            "drops": drop.files,
            "seconds": time.monotonic() - began,
        },
    )


def _record(folder: Path, kind: str, at: int, what: dict[str, Any], *, durable: bool = True) -> dict[str, Any]:
    write_json(folder / RECORDS / f"{kind}-{at:05d}.json", what, durable=durable)
    return what
