"""sources.files: the knobs, the shares, the first documents."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.sources.files import Files
from hornbook.store.reading import conform, cut, unify
from tests.contract import Example
from tests.corpus import rows as corpus

SOME = Path(__file__).resolve().parent / "some_files"
EXAMPLE = Example(knobs={"path": str(SOME), "split": "blank-line"}, golden={"1": "74dd0e4138b2280e1a0188c2c7658d81"})


def read(**knobs: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All documents and drops, going through JSON between shards and read as the engine does."""
    stage = Files.model_validate(knobs)
    nothing = cast(Inputs, None)
    tables, drops = [], []
    for item in orjson.loads(orjson.dumps(stage.shards(nothing))):
        for found in stage.read(item, nothing):
            if isinstance(found, Dropped):
                drops += found.table.to_pylist()
            else:
                tables.append(found)
    schema = unify([table.schema for table in tables])
    return [row for table in tables for row in conform(table, schema).to_pylist()], drops


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = corpus()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + b"{broken\n")
    with (tmp_path / "c.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, ["id", "text", "score"])
        out.writeheader()
        out.writerow({"id": "c", "text": "from csv", "score": "0.5"})
    (tmp_path / "d.txt").write_text("one\n\ntwo\n\nthree\n")
    (tmp_path / "e.py").write_text("print(1)\n")
    return tmp_path


def test_a_folder_of_everything(folder: Path) -> None:
    good, drops = read(path=str(folder), split="blank-line")
    texts = [row["text"] for row in corpus()]
    assert [row["text"] for row in good] == [*texts, *texts, "from csv", "one", "two", "three", "print(1)\n"]
    (drop,) = drops
    assert drop["reason"] == "json"
    assert drop["evidence"].startswith(f"b.jsonl, line {len(texts) + 1}: ")


def test_the_example() -> None:
    good, drops = read(**EXAMPLE.knobs)
    assert [(row["id"], row["text"], row["words"]) for row in good] == [
        ("a", "The fox dug a hole.", 5.0),
        ("a.jsonl:4", "Le renard a creusé.", 4.5),
        ("b.csv:2", "Two\nlines", None),
        ("c.txt:1", "One paragraph.", None),
        ("c.txt:3", "Another.", None),
        ("code/dig.py:1", 'def dig():\n    return "hole"\n', None),
    ]
    assert [(d["id"], d["reason"]) for d in drops] == [
        ("a.jsonl:2", "not_object"), ("a.jsonl:3", "blank"), ("a.jsonl:5", "no_text"),
    ]  # fmt: skip


def test_one_path_or_a_list_and_the_engine_sees_them_as_inputs(folder: Path) -> None:
    one, many = Files(path=InputPath(folder / "c.csv")), Files.model_validate({"path": [str(folder / "c.csv")]})
    assert isinstance(one.path, InputPath)
    assert all(isinstance(path, InputPath) for path in many.path)
    assert read(path=str(folder / "c.csv")) == read(path=[str(folder / "c.csv")])
    good, _ = read(path=[str(folder / "e.py"), str(folder / "c.csv")])
    assert [row["id"] for row in good] == ["e.py:1", "c"]


def test_formats_can_be_said(folder: Path) -> None:
    (folder / "data.dump").write_bytes(b'{"text": "x"}\n')
    assert [row["text"] for row in read(path=str(folder / "data.dump"))[0]] == ['{"text": "x"}\n']
    assert [row["text"] for row in read(path=str(folder / "data.dump"), format="jsonl")[0]] == ["x"]
    assert read(path=str(folder / "b.jsonl"), format="code")[0][0]["path"] == "b.jsonl"


def test_columns_and_names(folder: Path) -> None:
    (row,), _ = read(path=str(folder / "c.csv"), text="score", id="text", columns=[])
    assert row == {"id": "from csv", "text": "0.5", "origin": "c.csv:2"}


def test_rows_without_text_where_another_column_is_enough(tmp_path: Path) -> None:
    """Samples of exams have a completion, an empty one too."""
    rows = [{"task_id": "a", "completion": ""}, {"text": "x"}, {"task_id": "b"}]
    (tmp_path / "s.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    good, drops = read(path=str(tmp_path), need=["text", "completion"])
    assert [(row.get("text"), row.get("completion")) for row in good] == [(None, ""), ("x", None)]
    assert [drop["reason"] for drop in drops] == ["no_text"]
    assert len(read(path=str(tmp_path))[0]) == 1
    with pytest.raises(ValidationError, match="need"):
        Files(path=InputPath(str(tmp_path)), need=[])


@pytest.mark.parametrize("limit", [1, 5, 34, 10_000])
def test_limit_takes_the_first(folder: Path, limit: int) -> None:
    every, _ = read(path=str(folder), columns=[])
    assert [row["id"] for row in read(path=str(folder), columns=[], limit=limit)[0]] == [r["id"] for r in every][:limit]


def test_shares_of_a_big_file_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": f"{n}"}) + b"\n" + b"{\n" * (n % 7 == 0) for n in range(5000)))
    whole = read(path=str(path))
    monkeypatch.setattr("hornbook.stages.sources.files.cut", lambda files: cut(files, 5000))
    assert len(Files(path=InputPath(path)).shards(cast(Inputs, None))) > 10
    assert read(path=str(path)) == whole
    assert len(whole[0]) + len(whole[1]) == path.read_bytes().count(b"\n")


def test_mistakes_are_said(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(path=[str(folder / "c.csv"), str(folder / "gone.csv")])
    assert "gone.csv does not exist" in str(caught.value)
    for wrong in ({"split": "lines"}, {"limit": 0}, {"max_bytes": 0}, {"delimiter": ""}, {"formt": "csv"}):
        with pytest.raises(ValidationError):
            Files.model_validate({"path": str(folder), **wrong})
