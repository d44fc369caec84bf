"""One schema for all parts of a folder, so that any Parquet reader takes the folder as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hornbook.store.files import whole
from hornbook.store.parts import ZSTD_LEVEL, pieces, schema_of
from hornbook.store.reading import conform, unify


def agree(folder: Path, parts: Sequence[dict[str, Any]]) -> None:
    """Rewrite those parts whose columns or types are not those that all parts share.

    Parts are written as their rows come, and a file may show a new column, or text where there were
    numbers, after a million rows. Row groups stay as they are, and it may be done again at any time.

    Args:
        folder: where the parts lie.
        parts: `{"file", "rows"}` of each, in order.

    Raises:
        OSError: no space; a part is then as it was or as it shall be.
    """
    paths = [folder / part["file"] for part in parts]
    schemas = [schema_of(path) for path in paths]
    if all(schema.equals(schemas[0]) for schema in schemas):
        return
    wanted = unify(schemas)
    for path, schema in zip(paths, schemas, strict=True):
        if schema.equals(wanted):
            continue
        with (
            whole(path) as draft,
            pq.ParquetWriter(draft, wanted, compression="zstd", compression_level=ZSTD_LEVEL) as writer,
        ):
            for piece in pieces(path):
                writer.write_table(conform(piece.replace_schema_metadata(None), wanted), row_group_size=piece.num_rows)
