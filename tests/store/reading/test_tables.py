"""Parquet, CSV and TSV."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import tempfile
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus import rows as corpus
from tests.store.reading.helpers import read, reasons, rows

STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("group", [1, 5, 4096])
@pytest.mark.parametrize("kind", STRINGS)
def test_the_corpus_comes_back_from_parquet(tmp_path: Path, group: int, kind: pa.DataType) -> None:
    table = pa.Table.from_pylist(corpus())
    table = table.set_column(1, "text", table.column("text").cast(kind))
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=group)
    assert rows(tmp_path / "f.parquet") == (corpus(), [])


def test_parquet_keeps_types_and_numbers_rows(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 1, 1)
    table = pa.table(
        {
            "text": ["a", None, "c"],
            "at": pa.array([day] * 3, pa.timestamp("us")),
            "small": pa.array([1, 2, 3], pa.int8()),
            "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
            "row": [1, 2, 3],
            "reason": ["r"] * 3,
            "quality.x": [0.5] * 3,
        }
    )
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=2)
    got, drops = read(tmp_path / "f.parquet")
    assert got is not None
    assert got.column("id").to_pylist() == got.column("origin").to_pylist() == ["f.parquet:1", "f.parquet:3"]
    assert [got.schema.field(name).type for name in ("at", "small", "row")] == [
        pa.timestamp("us"),
        pa.int8(),
        pa.int64(),
    ]
    assert [(d["id"], d["reason"], d["evidence"]) for d in drops] == [
        ("f.parquet:2", "no_text", "f.parquet, record 2: `text` is null or not a string")
    ]
    only, _ = read(tmp_path / "f.parquet", columns=["quality.x"])
    assert only is not None
    assert only.column_names == ["id", "text", "origin", "quality.x"]


def test_parquet_without_text_drops_every_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": ["x"] * 5000, "n": range(5000)}), tmp_path / "f.parquet", row_group_size=3000)
    good, drops = rows(tmp_path / "f.parquet")
    assert (good, len(drops), {*reasons(drops)}) == ([], 5000, {"no_text"})
    assert drops[-1]["evidence"] == "f.parquet, record 5000: no `text` among content, n"
    assert len(rows(tmp_path / "f.parquet", text_column="content")[0]) == 5000
    assert {*reasons(rows(tmp_path / "f.parquet", text_column="n")[1])} == {"no_text"}


def test_parquet_strings_that_are_not_utf8_cost_their_rows(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xff\xfe", b"\xed\xa0\x80", b"fine"], pa.binary())
    lie = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    pq.write_table(pa.table({"text": lie, "n": range(4)}), tmp_path / "f.parquet")
    good, drops = rows(tmp_path / "f.parquet")
    assert ([row["text"] for row in good], reasons(drops)) == (["good", "fine"], ["utf8", "utf8"])
    assert [d["id"] for d in drops] == ["f.parquet:2", "f.parquet:3"]
    assert len(rows(tmp_path / "f.parquet", errors="replace")[0]) == 4
    pq.write_table(pa.table({"text": raw}), tmp_path / "b.parquet")
    assert [row["text"] for row in rows(tmp_path / "b.parquet")[0]] == ["good", "fine"]


def test_parquet_messages_become_json(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "name": "x"}]
    pq.write_table(pa.Table.from_pylist([{"messages": turns}]), tmp_path / "f.parquet")
    ((row,), _) = rows(tmp_path / "f.parquet", need=("prompt", "messages"))
    assert orjson.loads(row["messages"]) == turns


def test_broken_parquet(tmp_path: Path) -> None:
    texts = [f"{n} {n * 7919 % 104729}" for n in range(4000)]
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000, write_page_checksum=True, use_dictionary=False)
    data = path.read_bytes()
    broken = bytearray(data)
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    broken[start + 200 : start + 260] = bytes(60)
    path.write_bytes(broken)
    good, drops = rows(path)
    assert [row["text"] for row in good] == texts[:1000] + texts[2000:]
    assert [row["id"] for row in good][-1] == "f.parquet:4000"
    assert [(d["reason"], d["id"]) for d in drops] == [("corrupt", "f.parquet:1001")]
    assert "rows 1001 to 2000" in drops[0]["evidence"]
    for cut in (0, 3, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        assert reasons(rows(path)[1]) == ["corrupt" if cut else "empty_file"]
    path.write_bytes(bytes(10_000))
    assert reasons(rows(path)[1]) == ["corrupt"]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t"), (".csv.gz", ",")])
def test_csv_comes_back(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / f"f{suffix}"
    wrote = [row for row in corpus() if "\r" not in row["text"] and row["text"]]
    text = io.StringIO(newline="")
    out = csv.DictWriter(text, ["id", "text", "origin"], delimiter=delimiter)
    out.writeheader()
    out.writerows(wrote)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert rows(path) == (wrote, [])


def test_faults_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,text,id,\n1,"two\nlines",x,\n'  # 2-3
        b"2,b\n"  # 4: too few
        b"\n"  # 5: blank
        b'3,"a"b,x,\n'  # 6: text after a quote
        b"4,\xff,x,\n"  # 7: not UTF-8
        b"5,nul \0,x,y\n"  # 8
        b'6,"never closed,x,\n7,c,x,\n'  # 9
    )
    good, drops = rows(path)
    assert [(row["id"], row["text"], row["origin"]) for row in good] == [
        ("1", "two\nlines", "f.csv:2"),
        ("5", "nul \0", "f.csv:8"),
    ]
    assert good[1]["column_4"] == "y"
    assert [(d["reason"], d["id"]) for d in drops] == [
        ("columns", "f.csv:4"), ("blank", "f.csv:5"), ("csv", "f.csv:6"), ("utf8", "f.csv:7"), ("csv", "f.csv:9"),
    ]  # fmt: skip
    assert [row["text"] for row in rows(path, errors="replace")[0]] == ["two\nlines", "\ufffd", "nul \0"]


def test_csv_without_text_and_with_long_fields(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    assert [d["evidence"] for d in rows(path)[1]] == [f"f.csv, line {n}: no `text` among a, b" for n in (2, 3)]
    path.write_text("text\n" + "x" * 10_000_000 + "\nend\n")
    assert [len(row["text"]) for row in rows(path)[0]] == [10_000_000, 3]
    path.write_text('text\ngood\n"' + ("y" * 1000 + "\n") * 40_000 + "end\n")
    good, drops = rows(path)
    assert drops[0]["reason"] == "too_long"
    assert (good[0]["text"], good[-1]["text"]) == ("good", "end")
    path.write_text("text\n")
    assert rows(path) == ([], [])
    path.write_text("")
    assert reasons(rows(path)[1]) == ["empty_file"]


_fields = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda t: t.replace("\r", ""))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_fields, _fields), min_size=1, max_size=8))
def test_any_csv_comes_back(made: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, quoting=csv.QUOTE_ALL)
            out.writerows([("text", "more"), *made])
        good, drops = rows(path)
    assert ([(row["text"], row["more"]) for row in good], drops) == (made, [])
