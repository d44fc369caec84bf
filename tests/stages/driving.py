"""Running a stage on a table as the engine does, in pieces of any size: small, obvious, in this process."""

from __future__ import annotations

import pyarrow as pa

from hornbook.core.documents import with_columns
from hornbook.core.rules import select
from hornbook.core.stage import Across, Each


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
        mapped = pa.concat_tables([stage.map(piece, at) for piece, at in zip(pieces, starts, strict=True)])
        homes = mapped.column("partition").to_numpy()
        assert mapped.schema.field("partition").type == pa.int32()
        assert ((homes >= 0) & (homes < stage.partitions)).all()
        reduced = [stage.reduce(mapped.filter(pa.array(homes == p)), table.num_rows) for p in range(stage.partitions)]
        facts = pa.concat_tables(reduced).sort_by("row")
        rows = facts.column("row").to_numpy()
        marks = [
            stage.apply(piece, at, facts.filter(pa.array((rows >= at) & (rows < at + piece.num_rows))))
            for piece, at in zip(pieces, starts, strict=True)
        ]
    return with_columns(table, pa.concat_tables(marks))


def outcome(stage: Each | Across, table: pa.Table, size: int = 4096) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """(ids kept, id → (reason, evidence) of those dropped); kept and dropped together are all there were."""
    kept, dropped = select(mark(stage, table, size), stage.drops())
    assert kept.num_rows + dropped.num_rows == table.num_rows
    gone = {row["id"]: (row["reason"], row["evidence"]) for row in dropped.to_pylist()}
    return kept.column("id").to_pylist(), gone
