"""All parts of a folder have one schema, whatever came when; no row, no value and no order is lost."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.store.agreeing import agree
from hornbook.store.parts import PartWriter, pieces


@pytest.fixture
def parts(tmp_path):
    """Three parts: numbers; text instead, and a new column; numbers in two row groups."""
    tables = [
        [pa.table({"id": ["a"], "n": [1]})],
        [pa.table({"id": ["b"], "n": ["two"], "late": [{"q": 1}]})],
        [pa.table({"id": ["c"], "n": [3]}), pa.table({"id": ["d"], "n": [None]}, schema=None)],
    ]
    files = []
    for at, some in enumerate(tables):
        with PartWriter(tmp_path, f"part-{at:05d}", gather=False) as writer:
            for table in some:
                writer.write(table)
        files += writer.files
    return tmp_path, files


def test_any_reader_takes_the_folder_as_one_table(parts):
    folder, files = parts
    agree(folder, files)
    table = pq.read_table(folder)
    assert table["id"].to_pylist() == ["a", "b", "c", "d"]
    assert table["n"].to_pylist() == ["1", "two", "3", None]
    assert table["late"].to_pylist() == [None, {"q": 1}, None, None]


def test_row_groups_stay_and_a_second_time_changes_nothing(parts):
    folder, files = parts
    groups = [[piece.num_rows for piece in pieces(folder / file["file"])] for file in files]
    agree(folder, files)
    once = {path.name: path.read_bytes() for path in folder.iterdir()}
    agree(folder, files)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == once
    assert [[piece.num_rows for piece in pieces(folder / file["file"])] for file in files] == groups


def test_parts_that_agree_are_not_touched(tmp_path):
    with PartWriter(tmp_path, "part-00000", gather=False) as writer:
        writer.write(pa.table({"n": [1]}))
    before = (tmp_path / "part-00000-000.parquet").stat().st_mtime_ns
    agree(tmp_path, writer.files)
    agree(tmp_path, [])
    assert (tmp_path / "part-00000-000.parquet").stat().st_mtime_ns == before
