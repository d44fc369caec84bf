"""Documents: the columns that every stage can rely on.

A document is a row with `id` (string, unique in a run), `text` (string) and `origin` (string: where
it came from, with its place). Marks are further columns named `folder.name` (`quality.score`).
A prompt is a row with `id` and `prompt` (string) or `messages` (JSON string of chat messages), and where several
replies to one prompt are wanted `sample` (integer: which of them).
A drop is the whole row plus `reason` and `evidence`.
"""

from __future__ import annotations

import pyarrow as pa

ID, TEXT, ORIGIN = "id", "text", "origin"
PROMPT, MESSAGES, SAMPLE = "prompt", "messages", "sample"
REASON, EVIDENCE = "reason", "evidence"

PIECE_ROWS = 4096
PIECE_BYTES = 32 * 2**20
PART_BYTES = 128 * 2**20


def with_columns(table: pa.Table, added: pa.Table) -> pa.Table:
    """`table` with the columns of `added` put in: replaced where the name exists, else appended.

    Raises:
        ValueError: the two differ in rows.
    """
    if added.num_rows != table.num_rows:
        raise ValueError(f"{added.num_rows} rows of marks for {table.num_rows} documents")
    for name in added.column_names:
        at = table.schema.get_field_index(name)
        field, column = added.schema.field(name), added.column(name)
        table = table.set_column(at, field, column) if at >= 0 else table.append_column(field, column)
    return table


def split(table: pa.Table, rows: int = PIECE_ROWS, size: int = PIECE_BYTES) -> list[pa.Table]:
    """Cut a table into pieces of at most `rows` rows and about `size` bytes, in order."""
    if table.num_rows == 0:
        return []
    each = max(1, int(size / max(1.0, table.nbytes / table.num_rows)))
    step = min(rows, each)
    return [table.slice(at, step) for at in range(0, table.num_rows, step)]
