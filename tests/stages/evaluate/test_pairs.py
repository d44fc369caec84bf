"""evaluate.pairs: which documents meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hornbook.core.errors import HornbookError, UserError
from hornbook.engine.recipe import check_data
from hornbook.stages.evaluate import pairs
from tests.contract import Example, run, table_of

EXAMPLE = Example(
    knobs={"from": ["input", "above-0"]},
    above=(("quality.length", {"min_words": 3}),),
    golden={"1": "dd00ecbe5009132185ba955e460076c8"},
)


def paired(tmp_path: Path, sides: dict[str, list[dict]], **knobs) -> list[dict]:
    steps = []
    for name, rows in sides.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        steps.append({"use": "sources.files", "name": name, "path": str(path), "from": []})
    steps.append({"use": "evaluate.pairs", "name": "pairs", "from": list(sides)} | knobs)
    return table_of(run(check_data({"name": "p", "steps": steps}, "p.yaml"), tmp_path)[-1]).to_pylist()


def texts(side: str, *numbers: int, **more: str) -> list[dict]:
    return [{"id": f"p{n}", "text": f"{side} on {n}", "prompt": f"Write {n}."} | more for n in numbers]


def test_texts_of_one_prompt_meet_in_the_order_of_the_first_step(tmp_path):
    rows = paired(tmp_path, {"one": texts("one", 3, 1, 2, 7), "two": texts("two", 1, 2, 3, 9)})
    assert [(r["text"], r["pair.text"]) for r in rows] == [(f"one on {n}", f"two on {n}") for n in (3, 1, 2)]
    assert {(r["pair.a"], r["pair.b"]) for r in rows} == {("one", "two")}
    assert [r["prompt"] for r in rows] == ["Write 3.", "Write 1.", "Write 2."]
    assert [(r["pair.a_id"], r["pair.b_id"]) for r in rows] == [("p3", "p3"), ("p1", "p1"), ("p2", "p2")]
    assert len({r["id"] for r in rows}) == 3


def test_of_three_steps_every_two_meet(tmp_path):
    rows = paired(tmp_path, {name: texts(name, 1, 2) for name in "abc"})
    assert [(r["pair.a"], r["pair.b"]) for r in rows] == [*[("a", "b")] * 2, *[("a", "c")] * 2, *[("b", "c")] * 2]


def test_by_another_column_a_steps_first_counts(tmp_path):
    one = [{"id": "x1", "text": "first", "prompt": "P"}, {"id": "x2", "text": "later", "prompt": "P"}]
    rows = paired(tmp_path, {"one": one, "two": [{"id": "y", "text": "other", "prompt": "P"}]}, by="prompt")
    assert [(r["text"], r["pair.text"], r["pair.a_id"]) for r in rows] == [("first", "other", "x1")]


def test_shares_of_the_keys_give_the_same_pairs(tmp_path, monkeypatch):
    sides = {"one": texts("one", *range(40)), "two": texts("two", *range(10, 50))}
    whole = paired(tmp_path / "whole", sides) if (tmp_path / "whole").mkdir() is None else []
    monkeypatch.setattr(pairs, "_AT_ONCE", 20)
    (tmp_path / "shares").mkdir()
    shares = paired(tmp_path / "shares", sides)
    assert len(whole) == 30
    assert sorted(map(str, whole)) == sorted(map(str, shares))


def test_an_empty_text_meets_nobody(tmp_path):
    rows = paired(
        tmp_path, {"one": [*texts("one", 1), {"id": "p2", "text": " ", "prompt": ""}], "two": texts("two", 1, 2)}
    )
    assert [r["pair.a_id"] for r in rows] == ["p1"]


def test_one_step_is_no_pair(tmp_path):
    with pytest.raises(HornbookError, match="two steps, and got one"):
        paired(tmp_path, {"one": texts("one", 1)})
    with pytest.raises(UserError, match="no such column"):
        paired(tmp_path, {"one": texts("one", 1), "two": texts("two", 1)}, by="sed")
