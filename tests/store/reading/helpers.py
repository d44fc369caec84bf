"""Reading a whole file at once, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbook.core.stage import Dropped
from hornbook.store.reading import File, conform, expand, read_file, unify


def read(path: Path | str, **options: Any) -> tuple[pa.Table | None, list[dict[str, Any]]]:
    """All documents as one table (None: none), all drops as rows."""
    return gather(expand([str(path)]), **options)


def gather(files: list[File], **options: Any) -> tuple[pa.Table | None, list[dict[str, Any]]]:
    tables, drops = [], []
    for file in files:
        for found in read_file(file, **options):
            if isinstance(found, Dropped):
                found.table.validate(full=True)
                assert found.table.column_names == ["id", "text", "origin", "reason", "evidence"]
                drops += found.table.to_pylist()
            else:
                found.validate(full=True)
                assert found.column_names[0] == "id"
                assert 0 < found.num_rows <= 4096
                tables.append(found)
    if not tables:
        return None, drops
    schema = unify([table.schema for table in tables])
    return pa.concat_tables([conform(table, schema) for table in tables]), drops


def rows(path: Path | str, **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    table, drops = read(path, **options)
    return [] if table is None else table.to_pylist(), drops


def reasons(drops: list[dict[str, Any]]) -> list[str]:
    return [drop["reason"] for drop in drops]
