"""One stage alone: nothing of the person's is overwritten, the result is one table, a stale file never stays."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.core.errors import UserError
from hornbook.engine.alone import run_alone
from hornbook.engine.executors import Inline
from tests.commands import write_jsonl

WORDS = "one two three four five six seven eight nine ten"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "docs.jsonl", [{"text": f"{WORDS} {n}"} for n in range(20)])
    return tmp_path


def step(use: str, *inputs: str, out: str, **knobs: object) -> dict[str, object]:
    return run_alone(
        use,
        list(inputs),
        dict(knobs),
        Path(out),
        seed=0,
        runs=Path("runs"),
        executor=Inline(),
        cache=Path("cache"),
        listen=lambda event: None,
    )


def table(folder: str) -> pa.Table:
    return pq.ParquetDataset(sorted(Path(folder).glob("part-*.parquet"))).read()


@pytest.mark.parametrize(
    ("given", "out"),
    [("data", "data"), ("data", "data/out"), ("data/part-0.parquet", "data"), ("data/*.parquet", "data")],
)
def test_inputs_are_never_written_over(here, given, out):
    (here / "data").mkdir()
    pq.write_table(pa.table({"text": [WORDS]}), "data/part-0.parquet")
    with pytest.raises(UserError, match="among what is read"):
        step("quality.length", given, out=out)
    assert [path.name for path in (here / "data").iterdir()] == ["part-0.parquet"]


def test_a_result_is_not_put_over_itself(here):
    step("quality.length", "docs.jsonl", out="o", min_words=1)
    with pytest.raises(UserError, match="among what is read"):
        step("dedup.exact", "o", out="o")


def test_files_of_another_program_stay(here):
    (here / "o").mkdir()
    (here / "o" / "part-7.parquet").write_bytes(b"theirs")
    with pytest.raises(UserError, match="another program"):
        step("quality.length", "docs.jsonl", out="o")
    assert (here / "o" / "part-7.parquet").read_bytes() == b"theirs"


def test_another_manifest_json_is_a_file_like_any_other(here):
    (here / "code").mkdir()
    (here / "code" / "manifest.json").write_text('{"name": "a browser extension"}', encoding="utf-8")
    (here / "code" / "main.py").write_text("print(1)\n", encoding="utf-8")
    assert step("quality.repetition", "code", out="o")["rows_in"] == 2


def test_an_input_given_twice_is_read_once(here):
    step("quality.length", "docs.jsonl", out="a", min_words=1)
    assert step("dedup.exact", "a", "./a", "a", out="b")["rows_in"] == 20
    assert step("dedup.exact", "docs.jsonl", "docs.jsonl", out="c")["rows_in"] == 20


def test_the_result_is_one_table_though_its_inputs_are_none(here):
    rows = [{"text": f"{WORDS} late {n}", "c": n if n < 5000 else "s"} for n in range(6000)]
    write_jsonl(here / "late.jsonl", rows)
    (here / "more.csv").write_text(f"text,n\n{WORDS},2\n", encoding="utf-8")
    (here / "broken.jsonl").write_text("{bad\n", encoding="utf-8")
    found = step("quality.length", "late.jsonl", "more.csv", "docs.jsonl", "broken.jsonl", out="o", min_words=11)
    kept, dropped = table("o"), table("o/dropped")
    assert (kept.num_rows, dropped.num_rows) == (found["kept"], found["dropped"]) == (6020, 2)
    assert kept["c"].to_pylist()[4999:5001] == ["4999", "s"]
    assert dropped["reason"].to_pylist() == ["too_short", "json"]
    assert "c" in dropped.column_names


@pytest.mark.parametrize("name", ["reason", "evidence"])
def test_a_column_of_ours_in_the_input_is_not_there_twice(here, name):
    write_jsonl(here / "mine.jsonl", [{"text": WORDS, name: n} for n in range(3)])
    step("quality.length", "mine.jsonl", out="o", min_words=1)
    assert table("o/dropped").column_names.count(name) == 1
    step("quality.length", "mine.jsonl", out="o", min_words=100)
    assert set(table("o/dropped")["reason"].to_pylist()) == {"too_short"}


def test_another_knob_leaves_no_stale_file_and_the_same_is_cached(here):
    first = step("quality.length", "docs.jsonl", out="o", min_words=1)
    (here / "o" / "part-00099-000.parquet").write_bytes(b"stale")
    again = step("quality.length", "docs.jsonl", out="o", min_words=100)
    assert (again["kept"], table("o").num_rows, table("o/dropped").num_rows) == (0, 0, 20)
    assert first["key"] != again["key"]
    stamp = (here / "o" / "manifest.json").stat().st_mtime_ns
    assert step("quality.length", "docs.jsonl", out="o", min_words=100) == again
    assert (here / "o" / "manifest.json").stat().st_mtime_ns == stamp
    assert sorted(path.name for path in (here / "o").iterdir())[:2] == ["dropped", "manifest.json"]


def test_drafts_of_a_killed_try_do_not_reach_the_result(here):
    first = step("quality.length", "docs.jsonl", out="o", min_words=1)
    key = step("quality.length", "docs.jsonl", out="p", min_words=2)["key"]
    scratch = here / "o" / ".hornbook" / "artifacts" / str(key)
    scratch.mkdir(parents=True)
    (scratch / ".part-00000-000.parquet.99.tmp").write_bytes(b"half")
    step("quality.length", "docs.jsonl", out="o", min_words=2)
    assert json.loads((here / "o" / "manifest.json").read_text())["key"] == key != first["key"]
    assert not [path for path in (here / "o").rglob("*") if path.name.startswith(".")]
