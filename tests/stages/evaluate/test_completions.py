"""evaluate.completions: the student's own words, put before a judge."""

from __future__ import annotations

import json

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.recipe import check_data
from hornbook.stages.evaluate.completions import Completions, _read
from tests.contract import Example, run, table_of
from tests.corpus import STORIES

ABOVE = (
    ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
    ("train.student", {"depth": 1, "context": 48, "tokens": 1000, "threads": 1}),
)
BEGINNINGS = """{"id": "b1", "text": "One day a fox"}
{"id": "b2", "text": "小狐狸在"}
{"id": "b3", "text": "The \\u0000 sea and"}
"""
EXAMPLE = Example(
    knobs={"beginnings": "{tmp}/beginnings.jsonl", "each": 2, "max_tokens": 6},
    above=ABOVE,
    files={"beginnings.jsonl": BEGINNINGS},
    golden={"1": "7817c4ec84ac8f226e1830a5d259c4fb"},
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A tiny student, its completions, and a judge's view of them."""
    tmp = tmp_path_factory.mktemp("completions")
    (tmp / "in.jsonl").write_text(
        "".join(json.dumps({"id": f"d{n}", "text": f"{STORIES[n % 3]} The {n} end."}) + "\n" for n in range(30)),
        "utf-8",
    )
    (tmp / "b.jsonl").write_text(BEGINNINGS, encoding="utf-8")
    write = {"use": "evaluate.completions", "beginnings": str(tmp / "b.jsonl"), "max_tokens": 12}
    steps = [
        {"use": "sources.files", "path": str(tmp / "in.jsonl")},
        *[{"use": use} | knobs for use, knobs in ABOVE],
        write | {"name": "written", "each": 4},
        {"use": "evaluate.judge", "name": "judge", "rubric": "shipped:judges/gpt_eval.en.yaml"},
        write | {"name": "fewer", "from": "train", "each": 2},
        write | {"name": "greedy", "from": "train", "temperature": 0},
    ]  # fmt: skip
    found = run(check_data({"name": "c", "teacher": {"use": "scripted"}, "steps": steps}, "c.yaml"), tmp)
    return {one.step: one for one in found}


def test_each_beginning_is_gone_on_with_so_many_times(done):
    rows = table_of(done["written"]).to_pylist()
    assert [(row["origin"], row["completion.number"]) for row in rows] == [
        (b, n) for b in ("b1", "b2", "b3") for n in range(4)
    ]
    assert {row["prompt"] for row in rows} == {"One day a fox", "小狐狸在", "The \x00 sea and"}
    assert len({row["id"] for row in rows}) == 12
    assert len({row["text"] for row in rows if row["origin"] == "b1"}) > 1, "each draws for itself"


def test_more_completions_hold_the_fewer_and_greedy_is_one(done):
    rows = {row["id"]: row["text"] for row in table_of(done["written"]).to_pylist()}
    fewer = table_of(done["fewer"]).to_pylist()
    assert len(fewer) == 6
    assert all(rows[row["id"]] == row["text"] for row in fewer)
    assert table_of(done["greedy"]).num_rows == 3


def test_a_judge_reads_them_and_averages_by_beginning(done):
    facts = done["judge"].manifest["facts"]["judged"]
    assert set(facts) == {"grammar", "creativity", "consistency", "age_group"}
    assert facts["grammar"]["prompts"] == 3, "the interval is over beginnings, not over completions"
    assert facts["grammar"]["documents"] + facts["grammar"]["failed"] <= 12


def test_the_shipped_beginnings_are_fifty():
    found = _read(Completions().beginnings)
    assert len(found) == 50
    assert all(text == text.rstrip() for _, text in found)


@pytest.mark.parametrize(
    ("text", "fault"),
    [("{broken", "cannot read"), ('{"id": "a"}', "without text"), ("", "no beginnings"),
     ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "two beginnings are called a"), ("[1]", "without text")],
)  # fmt: skip
def test_beginnings_that_cannot_be_used_are_explained(tmp_path, text, fault):
    (tmp_path / "b.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=fault):
        _read(str(tmp_path / "b.jsonl"))
