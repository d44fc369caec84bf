"""Parquet parts: zstd, row groups of at most 4,096 documents or 32 MB, several to a file.

The order of rows is the order of part names, and within a file the order written. A row group is the
piece that a stage sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from hornbook.core.documents import PART_BYTES, PIECE_BYTES, PIECE_ROWS, split
from hornbook.store.files import whole
from hornbook.store.reading.columns import conform, unify

ZSTD_LEVEL = 1


class PartWriter:
    """Writes tables of any size as parts, each whole or absent, in the order given.

    A part ends when it holds about 128 MB, or where its columns cannot hold what comes next; small tables
    are gathered into full row groups first, with the columns of all of them. Names are
    `STEM-000.parquet`, `STEM-001.parquet` …

    Args:
        folder: where the parts go.
        stem: `part-00017`.
        gather: False keeps every table a row group of its own (marks, which stand beside documents).
    """

    def __init__(self, folder: Path, stem: str, *, gather: bool = True) -> None:
        self.folder = folder
        self.stem = stem
        self.gather = gather
        self.files: list[dict[str, Any]] = []
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._bytes = 0
        self._schema: pa.Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        self._open: Any = None
        self._written = 0
        self._written_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self._end_part()
        elif self._writer is not None:
            self._writer.close()
            self._open.__exit__(kind, error, trace)

    def write(self, table: pa.Table) -> None:
        """Add rows; the schema may change between calls."""
        if table.num_rows == 0:
            return
        if not self.gather:
            self._begin(table.schema)
            self._write_group(table)
            return
        self._waiting.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= PIECE_ROWS or self._bytes >= PIECE_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        schemas = [table.schema for table in self._waiting]
        if any(not schema.equals(self._schema or schemas[0]) for schema in schemas):
            wanted = unify([self._schema, *schemas] if self._schema is not None else schemas)
            self._waiting = [conform(table, wanted) for table in self._waiting]
        self._begin(self._waiting[0].schema)
        table = pa.concat_tables(self._waiting)
        self._waiting, self._rows, self._bytes = [], 0, 0
        for piece in split(table):
            self._write_group(piece)

    def _begin(self, schema: pa.Schema) -> None:
        """Go on with the open part, or begin another where it has other columns."""
        if self._schema is None or not schema.equals(self._schema):
            self._end_part()
            self._schema = schema

    def _write_group(self, piece: pa.Table) -> None:
        if self._writer is None:
            path = self.folder / f"{self.stem}-{len(self.files):03d}.parquet"
            self.files.append({"file": path.name, "rows": 0})
            self._open = whole(path)
            self._writer = pq.ParquetWriter(
                self._open.__enter__(), piece.schema, compression="zstd", compression_level=ZSTD_LEVEL
            )
        self._writer.write_table(piece, row_group_size=max(1, piece.num_rows))
        self._written += piece.nbytes
        self._written_rows += piece.num_rows
        if self._written >= PART_BYTES:
            self._end_part()

    def _end_part(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._open.__exit__(None, None, None)
        self.files[-1]["rows"] = self._written_rows
        self._writer, self._written, self._written_rows = None, 0, 0


def write_empty(folder: Path, stem: str, schema: pa.Schema) -> None:
    """A part without rows, so that a folder always says what its columns are."""
    with whole(folder / f"{stem}-000.parquet") as draft:
        pq.write_table(schema.empty_table(), draft, compression="zstd")


def pieces(path: Path, columns: Sequence[str] | None = None, only: int | None = None) -> Iterator[pa.Table]:
    """The row groups of one part, in order; only the columns named are decoded.

    Columns that the part does not have are left out.

    Args:
        path: the part.
        columns: which to decode; None for all.
        only: the number of the one row group wanted; None for all.
    """
    with pq.ParquetFile(path) as file:
        have = file.schema_arrow.names
        wanted = None if columns is None else [name for name in columns if name in have]
        for group in range(file.num_row_groups) if only is None else (only,):
            yield file.read_row_group(group, columns=wanted, use_threads=False)


def group_sizes(path: Path) -> list[int]:
    """Rows of each row group of one part, in order."""
    found = pq.read_metadata(path)
    return [found.row_group(group).num_rows for group in range(found.num_row_groups)]


def schema_of(path: Path) -> pa.Schema:
    """The columns of a part, without its metadata."""
    return pq.read_schema(path).remove_metadata()
