"""evaluate.pairwise: both orders are asked, and the place of a text wins nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pyarrow as pa
import pytest

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import UserError
from hornbook.stages.evaluate.pairwise import Pairwise
from tests.contract import Example

PAIRS = [
    {
        "id": f"p{n}",
        "text": f"one {n}",
        "prompt": f"Write {n}.",
        "pair.text": f"other {n}",
        "pair.a": "x",
        "pair.b": "y",
    }
    for n in range(6)
] + [
    {"id": "empty", "text": "", "prompt": "P", "pair.text": "b", "pair.a": "x", "pair.b": "y"},
    {"id": "hostile", "text": "a\x00</text>\u202e", "prompt": None, "pair.text": "{b}", "pair.a": "x", "pair.b": "y"},
]
EXAMPLE = Example(rows=PAIRS, golden={"1": "f41627820e147edc20ccd0cf01b7b227"})


def table(many: int = 1) -> pa.Table:
    rows = [
        PAIRS[0] | {"id": f"p{n}", "prompt": f"P {n}", "text": f"one {n}", "pair.text": f"two {n}"} for n in range(many)
    ]
    return pa.Table.from_pylist(rows)


def judged(stage: Pairwise, rows: pa.Table, judge) -> dict:
    """Facts and marks where `judge(what stands first, request, row)` says 1, 2 or tie, or a Reply."""
    replies = []
    for at, row in enumerate(rows.to_pylist()):
        request: Request | None = next(stage.ask(rows.slice(at, 1), "m"))
        asked, said = [request], []
        while request is not None:
            content = request.messages[0]["content"]
            first = "a" if content.index(row["text"]) < content.index(row["pair.text"]) else "b"
            text = judge(first, request, at)
            said.append(text if isinstance(text, Reply) else Reply(request.key(), f'{{"better": "{text}"}}'))
            request = stage.again(row, asked, said)
            asked += [request] if request is not None else []
        replies.append(replace(said[-1], before=tuple(said[:-1])))
    marks = stage.take(rows, replies)
    return {"marks": marks, "pairs": stage.facts(stage.measure(marks))["pairs"], "asked": asked}


def likes(side: str):
    return lambda first, *_: "1" if first == side else "2"


def test_both_orders_are_asked_and_the_better_one_wins():
    found = judged(Pairwise(), table(3), likes("b"))
    assert found["marks"]["pairwise.winner"].to_pylist() == ["b"] * 3
    assert found["marks"]["pairwise.consistent"].to_pylist() == [True] * 3
    facts = found["pairs"]["x / y"]
    assert (facts["a_rate"], facts["a"], facts["b"], facts["ties"]) == (0.0, 0, 3, 0)
    assert facts["interval"][1] > 0.3, "three losses are no proof"
    assert (facts["consistent"], facts["position_bias"], facts["first_place"]) == (1.0, 0.0, 0.5)
    assert len(found["asked"]) == 2


def test_a_judge_who_likes_what_stands_first_decides_nothing():
    found = judged(Pairwise(), table(20), lambda *_: "1")
    facts = found["pairs"]["x / y"]
    assert found["marks"]["pairwise.winner"].to_pylist() == ["tie"] * 20
    assert (facts["a_rate"], facts["ties"], facts["consistent"]) == (0.5, 20, 0.0)
    assert (facts["position_bias"], facts["first_place"], facts["kappa"]) == (1.0, 1.0, 0.0)


def test_a_win_in_one_order_is_a_tie():
    found = judged(Pairwise(), table(), lambda first, *_: "1" if first == "a" else "tie")
    assert [found["marks"][f"pairwise.{n}"].to_pylist() for n in ("winner", "first", "second")] == [
        ["tie"],
        ["a"],
        ["tie"],
    ]
    assert found["pairs"]["x / y"]["position_bias"] == 0.0


def test_the_interval_holds_what_is_true():
    """A judge with 70 % wins for a, in whatever order: the interval holds it in 9 of 10 cases and more."""
    held = 0
    for seed in range(30):
        draw = random.Random(seed)
        better = ["a" if draw.random() < 0.7 else "b" for _ in range(40)]
        facts = judged(Pairwise(), table(40), lambda first, _, at, b=better: "1" if first == b[at] else "2")
        low, high = facts["pairs"]["x / y"]["interval"]
        held += low <= 0.7 <= high
    assert held >= 27


def test_a_reply_of_no_use_is_asked_for_again_and_a_missing_verdict_is_no_tie():
    def stubborn(first, request, at):
        return "1" if len(request.messages) > 1 else Reply(request.key(), "Both are nice.")

    found = judged(Pairwise(), table(), stubborn)
    assert [len(request.messages) for request in found["asked"]] == [1, 3, 1, 3]
    assert found["marks"]["pairwise.winner"].to_pylist() == ["tie"]
    found = judged(
        Pairwise(tries=0), table(2), lambda f, r, at: Reply(r.key(), error="refusal", detail="no") if at else "1"
    )
    assert found["marks"]["pairwise.winner"].to_pylist() == ["tie", None]
    assert found["marks"]["pairwise.error"].to_pylist() == [None, "refusal: no"]
    assert (found["pairs"]["x / y"]["pairs"], found["pairs"]["x / y"]["failed"]) == (1, 1)


def test_each_two_sides_have_their_own_facts_and_a_label_its_own_marks():
    rows = table(4).set_column(4, "pair.a", pa.array(["x", "x", "z", "z"]))
    stage = Pairwise(label="qwen", rubric="shipped:judges/pairwise.zh.yaml")
    found = judged(stage, rows, likes("a"))
    assert list(found["pairs"]) == ["x / y", "z / y"]
    assert found["marks"]["pairwise.qwen.winner"].to_pylist() == ["a"] * 4
    assert "文字 1：" in found["asked"][0].messages[0]["content"]


def test_without_pairs_it_says_what_is_missing():
    with pytest.raises(UserError, match=r"needs the column pair\.text"):
        list(Pairwise().ask(pa.table({"id": ["a"], "text": ["b"]}), "m"))
    marks = Pairwise().take(table(), [Reply("", error="rejected", detail="no request")])
    assert marks["pairwise.error"].to_pylist() == ["one of the two has no text"]
    assert Pairwise().facts(Pairwise().measure(marks)) == {"judge": "", "pairs": {}}
