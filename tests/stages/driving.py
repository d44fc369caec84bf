"""Running a stage on a table as the engine does, in pieces of any size: small, obvious, in this process."""

from __future__ import annotations

import pyarrow as pa

from hornbook.core.documents import with_columns
from hornbook.core.rules import select
from hornbook.core.stage import Across, Each

LANES = 3


def about(facts: pa.Table, first: int, piece: pa.Table) -> pa.Table:
    rows = facts.column("row").to_numpy()
    return facts.filter(pa.array((rows >= first) & (rows < first + piece.num_rows)))


def _seen(piece: pa.Table, reads: tuple[str, ...] | None) -> pa.Table:
    return piece if reads is None else piece.select([name for name in reads if name in piece.column_names])


def documents(texts: list[str], ids: list[str] | None = None) -> pa.Table:
    ids = ids or [f"d{at}" for at in range(len(texts))]
    return pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})


def mark(stage: Each | Across, table: pa.Table, size: int = 4096) -> pa.Table:
    """The documents with the stage's marks, worked out in pieces of `size` rows."""
    starts = range(0, table.num_rows, size)
    pieces = [table.slice(at, size) for at in starts]
    if isinstance(stage, Each):
        marks = [stage.each(piece) for piece in pieces]
    else:
        facts = pa.table({"row": pa.array([], pa.int64())})
        for step in stage.rounds():
            mapped = pa.concat_tables(
                [
                    step.map(_seen(piece, step.reads), at, about(facts, at, piece))
                    for at, piece in zip(starts, pieces, strict=True)
                ]
            )
            assert pa.types.is_integer(mapped.schema.field("partition").type)
            lane = mapped.column("partition").to_numpy() % LANES
            rows = [mapped.filter(pa.array(lane == number)) for number in range(LANES)]
            found = [step.reduce(some, table.num_rows) for some in rows]
            facts = pa.concat_tables(found).sort_by("row")
        marks = [
            stage.apply(_seen(piece, stage.reads), at, about(facts, at, piece))
            for at, piece in zip(starts, pieces, strict=True)
        ]
    return with_columns(table, pa.concat_tables(marks))


def outcome(stage: Each | Across, table: pa.Table, size: int = 4096) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """(ids kept, id → (reason, evidence) of those dropped); kept and dropped together are all there were."""
    kept, dropped = select(mark(stage, table, size), stage.drops())
    assert kept.num_rows + dropped.num_rows == table.num_rows
    gone = {row["id"]: (row["reason"], row["evidence"]) for row in dropped.to_pylist()}
    return kept.column("id").to_pylist(), gone
