"""sources.samples: each document as often as was asked, numbered, and asked for as often."""

from __future__ import annotations

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import check_data
from hornbook.stages.sources.samples import Samples
from tests.contract import Example, run, table_of
from tests.stages.sources.given import Given, read_given

ROWS = [
    {"id": "a", "text": "one", "origin": "x:1", "code.topic": "sums"},
    {"id": "b", "text": "two", "origin": None, "code.topic": None},
]
EXAMPLE = Example(knobs={"times": 3}, rows=ROWS, golden={"1": "c109abf85112389db9b7d5dcd9f5d2c1"})


def samples(tmp_path, rows, **knobs):
    return read_given(Samples(**knobs), Given(tmp_path / "above", rows))


def test_each_document_comes_as_often_as_was_asked(tmp_path):
    rows, drops = samples(tmp_path, ROWS, times=3)
    assert [(row["id"], row["sample"]) for row in rows] == [
        ("a", 0), ("a#1", 1), ("a#2", 2), ("b", 0), ("b#1", 1), ("b#2", 2),
    ]  # fmt: skip
    assert [row["origin"] for row in rows] == ["x:1"] * 3 + ["b"] * 3
    assert [row["code.topic"] for row in rows] == ["sums"] * 3 + [None] * 3
    assert not drops


def test_once_is_the_documents_as_they_are(tmp_path):
    rows, _ = samples(tmp_path, ROWS, times=1)
    assert [row["id"] for row in rows] == ["a", "b"]


def test_more_samples_than_a_piece_holds_come_in_several_tables(tmp_path):
    given = Given(tmp_path / "above", ROWS)
    stage = Samples(times=9000)
    tables = [table for item in stage.shards(given) for table in stage.read(item, given)]
    assert max(table.num_rows for table in tables) <= 4096
    assert sum(table.num_rows for table in tables) == 18_000


def test_numbered_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="numbered already"):
        samples(tmp_path, [row | {"sample": 0} for row in ROWS])


def test_each_sample_is_a_request_of_its_own(tmp_path, monkeypatch):
    """Three equal prompts are three requests and one sample is one: the journal knows them by their number."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text('{"id": "a", "prompt": "Say something."}\n')
    steps = [
        {"use": "sources.prompts", "path": ["prompts.jsonl"]},
        {"use": "sources.samples", "times": 3},
        {"use": "generate.complete", "max_tokens": 20},
    ]
    done = run(check_data({"name": "several", "teacher": {"use": "scripted"}, "steps": steps}, "x.yaml"), tmp_path)
    requests = table_of(done[-1]).column("generate.request").to_pylist()
    assert len(set(requests)) == 3
