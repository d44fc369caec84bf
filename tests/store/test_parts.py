"""Parts: what is written is read, in order, in pieces that stay small; a crash leaves no half file."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.core.documents import PIECE_ROWS
from hornbook.store.parts import PartWriter, pieces, schema_of, write_empty


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.text(), max_size=20), max_size=10))
def test_rows_come_back_in_order(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("parts")
    with PartWriter(folder, "part-00000") as writer:
        for batch in batches:
            writer.write(pa.table({"text": pa.array(batch, pa.string())}))
    found = [t for file in writer.files for piece in pieces(folder / file["file"]) for t in piece["text"].to_pylist()]
    assert found == [text for batch in batches for text in batch]
    assert sum(file["rows"] for file in writer.files) == len(found)


def test_bytes_do_not_depend_on_how_rows_arrive(tmp_path):
    rows = [f"document {n}" for n in range(10_000)]
    made = []
    for step in (7, 4096, 10_000):
        folder = tmp_path / str(step)
        with PartWriter(folder, "part-00000") as writer:
            for at in range(0, len(rows), step):
                writer.write(pa.table({"text": rows[at : at + step]}))
        made.append([piece["text"].to_pylist() for f in writer.files for piece in pieces(folder / f["file"])])
        assert all(len(piece) <= PIECE_ROWS for piece in made[-1])
    assert [t for p in made[0] for t in p] == [t for p in made[1] for t in p] == rows


def test_small_tables_with_other_columns_share_a_part(tmp_path):
    with PartWriter(tmp_path, "part-00000") as writer:
        for n in range(300):
            writer.write(pa.table({"a": [n], f"b{n % 3}": ["x"]}))
    (file,) = writer.files
    (piece,) = pieces(tmp_path / file["file"])
    assert piece["a"].to_pylist() == list(range(300))
    assert piece["b1"].to_pylist() == [None, "x", None] * 100


def test_columns_that_a_part_cannot_hold_begin_another(tmp_path):
    with PartWriter(tmp_path, "part-00000") as writer:
        writer.write(pa.table({"a": list(range(PIECE_ROWS))}))
        writer.write(pa.table({"a": [2], "b": ["x"]}))
    assert [f["file"] for f in writer.files] == ["part-00000-000.parquet", "part-00000-001.parquet"]


def test_a_failure_leaves_no_file(tmp_path):
    def fail():
        with PartWriter(tmp_path, "part-00000", gather=False) as writer:
            writer.write(pa.table({"a": [1]}))
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_only_the_columns_asked_for_are_read(tmp_path):
    with PartWriter(tmp_path, "part-00000") as writer:
        writer.write(pa.table({"id": ["a"], "text": ["b"]}))
    (piece,) = pieces(tmp_path / writer.files[0]["file"], ["id", "absent"])
    assert piece.column_names == ["id"]


def test_an_empty_part_says_its_columns(tmp_path):
    write_empty(tmp_path, "part-00000", pa.schema([("id", pa.string())]))
    assert sum(p.num_rows for p in pieces(tmp_path / "part-00000-000.parquet")) == 0
    assert schema_of(tmp_path / "part-00000-000.parquet").names == ["id"]
