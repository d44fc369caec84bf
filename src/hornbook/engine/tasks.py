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
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import with_columns
from hornbook.core.rules import Rule, select
from hornbook.core.stage import Across, Ask, Dropped, Each, Job, Source, Stage
from hornbook.engine.careful import ERROR, ERROR_RULE, carefully, with_errors
from hornbook.engine.finding import find_stage
from hornbook.engine.keys import scorer
from hornbook.store.artifacts import Above
from hornbook.store.files import read_json, write_json
from hornbook.store.parts import PartWriter, pieces
from hornbook.store.shuffle import ShuffleWriter, read_lane

RECORDS = ".items"
SHUFFLE = ".shuffle"
LANES, ROWS_A_LANE = 16, 32_768
"""Shares of a shuffle: at least so many where there are documents enough, and of so many documents at most."""
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

    For a source what it said, for a lane the round, else the part's path and first row number (and the round).
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


def do_job(item: Item) -> dict[str, Any]:
    """Do a whole job in a worker: its number, facts and seconds."""
    stage = item.work.stage()
    assert isinstance(stage, Job)
    began = time.monotonic()
    facts = stage.run(item.work.inputs(), item.work.folder, lambda share, words: None)
    return {"at": item.at, "facts": facts, "seconds": time.monotonic() - began}


def mark_each(item: Item) -> dict[str, Any]:
    """Mark one part, and drop what the rules say."""
    stage = item.work.stage()
    assert isinstance(stage, Each)
    score = scorer(stage)
    assert isinstance(score, Each)
    return _mark(item, stage, lambda piece, _: score.each(_seen(piece, stage)))


def map_across(item: Item) -> dict[str, Any]:
    """Map one part to partitions, on disk, in one round of an `Across`."""
    stage = scorer(item.work.stage())
    assert isinstance(stage, Across)
    part, row, number = item.what
    step = stage.rounds()[number]
    scratch = item.work.marks / SHUFFLE
    facts = _facts(scratch, number - 1, item.at)
    lanes = lanes_for(item.work.inputs().rows())
    with ShuffleWriter(scratch / f"map-{number}" / f"{item.at:05d}.arrow", lanes) as out:
        for piece in pieces(part, step.reads):
            rows = step.map(piece, row, facts.of(row, piece.num_rows))
            out.write(rows, rows.column("partition").to_numpy())
            row += piece.num_rows
    return _record(item.work.marks, f"map-{number}", item.at, {}, durable=False)


def reduce_across(item: Item) -> dict[str, Any]:
    """Reduce one lane of partitions to facts, and give each part its own."""
    stage = scorer(item.work.stage())
    assert isinstance(stage, Across)
    number = item.what
    inputs = item.work.inputs()
    scratch = item.work.marks / SHUFFLE
    rows = read_lane(sorted((scratch / f"map-{number}").glob("*.arrow")), item.at, lanes_for(inputs.rows()))
    if rows is not None:
        facts = stage.rounds()[number].reduce(rows, inputs.rows()).sort_by("row")
        starts = np.array(inputs.starts())
        part = np.searchsorted(starts, facts.column("row").to_numpy(), side="right") - 1
        with ShuffleWriter(scratch / f"facts-{number}" / f"{item.at:05d}.arrow", starts.size) as out:
            out.write(facts, part)
    return _record(item.work.marks, f"reduce-{number}", item.at, {}, durable=False)


def apply_across(item: Item) -> dict[str, Any]:
    """Mark one part with the facts about its documents, and drop what the rules say."""
    stage = item.work.stage()
    assert isinstance(stage, Across)
    score = scorer(stage)
    assert isinstance(score, Across)
    first = item.what[1]
    facts = _facts(item.work.marks / SHUFFLE, len(score.rounds()) - 1, item.at)

    def marks(piece: pa.Table, offset: int) -> pa.Table:
        row = first + offset
        return score.apply(_seen(piece, stage), row, facts.of(row, piece.num_rows))

    return _mark(item, stage, marks)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts about one part's documents, sorted by `row`."""

    table: pa.Table
    rows: NDArray[np.int64]

    def of(self, row: int, many: int) -> pa.Table:
        start, end = np.searchsorted(self.rows, [row, row + many])
        return self.table.slice(int(start), int(end - start))


def _facts(scratch: Path, number: int, part: int) -> _Facts:
    """What round `number` found out about a part; the column `row` alone where it found nothing at all."""
    found = read_lane(sorted((scratch / f"facts-{number}").glob("*.arrow")), part, None)
    if found is None:
        return _Facts(pa.table({"row": pa.array([], pa.int64())}), np.zeros(0, np.int64))
    rows = found.column("row").to_numpy()
    order = np.argsort(rows, kind="stable")
    return _Facts(found.take(pa.array(order)), rows[order])


def lanes_for(rows: int) -> int:
    """How many shares the partitions of a corpus are reduced in, so that one share's memory does not grow with it."""
    return max(1, min(LANES, -(-rows // 1024)), -(-rows // ROWS_A_LANE))


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
        sums: dict[str, Any] = {}
        with PartWriter(work.marks, f"marks-{item.at:05d}", gather=False) as writer:
            for piece in pieces(part):
                marks = carefully(compute, piece, offset, work.use)
                sums = added(sums, _measured(stage, marks))
                if marks.num_columns:
                    writer.write(marks)
                yield selected(piece, marks if marks.num_columns else None, rules)
                offset += piece.num_rows
        _record(work.marks, "marks", item.at, {"parts": writer.files, "sums": sums})

    return _write(item, flow(), rules)


def _measured(stage: Stage, marks: pa.Table) -> dict[str, Any]:
    """What the stage measures of the documents it could take."""
    if ERROR in marks.column_names:
        marks = marks.filter(pc.is_null(marks.column(ERROR))).drop_columns([ERROR])
    return stage.measure(marks) if marks.num_columns else {}


def added(one: Any, two: Any) -> Any:
    """Numbers, lists and dicts of numbers, added up; what one side lacks counts as nothing."""
    if isinstance(one, dict):
        names = dict.fromkeys([*one, *two])
        return {n: added(one[n], two[n]) if n in one and n in two else one.get(n, two.get(n)) for n in names}
    if isinstance(one, list):
        return [added(a, b) for a, b in zip(one, two, strict=True)]
    return one + two


def facts_of(stage: Stage, marks: Path, items: int) -> dict[str, Any]:
    """What the stage says of its marks, from the sums beside them."""
    sums: dict[str, Any] = {}
    for at in range(items):
        sums = added(sums, (record_of(marks, "marks", at) or {}).get("sums", {}))
    return stage.facts(sums)


def selected(piece: pa.Table, marks: pa.Table | None, rules: dict[str, Rule]) -> tuple[pa.Table, pa.Table]:
    """(what the rules keep of a piece, what they drop), both with the marks."""
    whole = piece if marks is None else with_columns(piece, marks)
    if marks is not None and ERROR in marks.column_names:
        failed_all = marks.column(ERROR).null_count == 0
        kept, dropped = select(whole, ERROR_RULE if failed_all else with_errors(rules))
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
