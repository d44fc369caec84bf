from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.core.rules import select
from hornbook.stages.decontaminate.verdict import Verdict, said
from tests.contract import Example, recipe_of, run, table_of
from tests.corpus import HOSTILE, STORIES

SHEEP = "A farmer has seventeen sheep and all but nine of them run away over the hill. How many are left?"
CHINESE = "农夫有十七只羊,除了九只以外都跑到山那边去了,还剩几只?"
ARABIC = "لدى المزارع سبعة عشر خروفا هربت كلها إلى ما وراء التل إلا تسعة منها فكم خروفا بقي عنده؟"
ITEMS = "".join(
    json.dumps({"id": name, "text": text}) + "\n" for name, text in [("en", SHEEP), ("zh", CHINESE), ("ar", ARABIC)]
)
FILLER = " ".join(STORIES[:3])
HALF = (
    "A farmer has seventeen sheep and all but nine of them run away over the hill. 🐑 Where do the sheep go at night?"
)

EXAMPLE = Example(
    knobs={"against": ["{tmp}/own.jsonl"], "drop_unclear": False},
    rows=[
        {"id": f"doc-{at}", "text": f"{FILLER}\n\n{text}\n\n{STORIES[4]}"}
        for at, text in enumerate([SHEEP, HALF, CHINESE, ARABIC, "Nothing of the kind. 🐑", *HOSTILE.values()])
    ],
    above=(("decontaminate.ladder", {"against": ["{tmp}/own.jsonl"], "action": "report"}),),
    files={"own.jsonl": ITEMS},
    golden={"1": "4ef8301da53511e32b683efef41930d1"},
)


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(ITEMS, encoding="utf-8")
    return [str(path)]


def documents(*ratios: float | None, text: str = SHEEP, item: str = "own:en") -> pa.Table:
    many = len(ratios)
    return pa.table(
        {
            "text": [text] * many,
            "decontaminate.item": pa.array([None if ratio is None else item for ratio in ratios], pa.string()),
            "decontaminate.ratio": pa.array(ratios, pa.float64()),
            "decontaminate.spans": [f"0-{len(text)}"] * many,
            "decontaminate.evidence": [f"{item} 0-9"] * many,
        }
    )


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Yes", "yes"),
        ("No.", "no"),
        ("**YES** — it is the very item.", "yes"),
        ("<think>Yes? No, it is another farmer.</think> No", "no"),
        ("Yes and no", "unclear"),
        ("Nobody knows", "unclear"),
        ("", "unclear"),
        ("是的 🐑", "unclear"),
    ],
)
def test_what_a_reply_says(reply, verdict):
    assert said(Reply("k", reply, "stop")) == verdict


@given(st.text())
def test_any_reply_says_something(reply):
    assert said(Reply("k", reply, "stop")) in ("yes", "no", "unclear")


def test_only_those_in_doubt_are_asked(items):
    stage = Verdict(against=items, doubt=0.3, above=0.8)
    table = documents(None, 0.29, 0.3, 0.79, 0.8, 1.0)
    requests = list(stage.ask(table, "m"))
    assert [request is not None for request in requests] == [False, False, True, True, False, False]
    assert list(stage.chosen(table)) == [request is not None for request in requests]


def test_kept_and_dropped_are_all_and_each_for_its_reason(items):
    stage = Verdict(against=items)
    table = documents(None, 0.1, 0.5, 0.5, 0.5, 0.5, 0.95)
    said = [Reply("", error="rejected")] * 2
    said += [Reply("a", "Yes"), Reply("b", "No"), Reply("c", "Perhaps"), Reply("d", error="timeout", detail="60 s")]
    marks = stage.take(table, [*said, Reply("", error="rejected")])
    verdicts = [None, None, "yes", "no", "unclear", "unclear", None]
    assert marks["decontaminate.verdict"].to_pylist() == verdicts
    assert marks["decontaminate.verdict_reply"].to_pylist() == [
        *[None] * 2, "Yes", "No", "Perhaps", "timeout: 60 s", None
    ]  # fmt: skip
    whole = table
    for name in marks.column_names:
        whole = whole.append_column(name, marks[name])
    kept, dropped = select(whole, stage.drops())
    assert dropped["reason"].to_pylist() == ["contaminated_by_verdict", *["verdict_unclear"] * 2, "contaminated"]
    assert dropped["evidence"].to_pylist()[0] == "decontaminate.verdict = yes == yes; own:en 0-9"
    assert kept["decontaminate.verdict"].to_pylist() == [None, None, "no"]
    lenient = select(whole, Verdict(against=items, drop_unclear=False).drops())
    assert [part.num_rows for part in lenient] == [5, 2]


def test_item_and_match_are_shown_with_what_is_around(items):
    text = "x" * 900 + SHEEP + "🐑" * 900
    table = documents(0.5, text=text)
    table = table.set_column(3, "decontaminate.spans", [[f"{900 + 20}-{900 + 30} {900}-{900 + 10}"]])
    [request] = Verdict(against=items, around=50, characters=400).ask(table, "m")
    asked = request.messages[0]["content"]
    assert f"<item>\n{SHEEP}\n</item>" in asked
    assert "<document>\n" + "x" * 50 + SHEEP[:80] + "\n</document>" in asked
    [short] = Verdict(against=items, around=500, characters=200).ask(table, "m")
    assert "<document>\n" + "x" * 200 + "\n</document>" in short.messages[0]["content"]


@pytest.mark.parametrize(("item", "text"), [("own:zh", CHINESE), ("own:ar", ARABIC)])
def test_every_script_is_shown(items, item, text):
    [request] = Verdict(against=items).ask(documents(0.5, text=text, item=item), "m")
    assert request.messages[0]["content"].count(text) == 2


def test_slots_in_a_document_stay_as_they_are(items):
    [request] = Verdict(against=items).ask(documents(0.5, text="{item} {document} {item}"), "m")
    assert "<document>\n{item} {document} {item}\n</document>" in request.messages[0]["content"]


def test_mistakes_are_said(items, tmp_path):
    with pytest.raises(UserError, match="no item 'own:other'"):
        list(Verdict(against=items).ask(documents(0.5, item="own:other"), "m"))
    own = tmp_path / "prompt.txt"
    own.write_text("Is it {item}?", encoding="utf-8")
    with pytest.raises(UserError, match="once each"):
        list(Verdict(against=items, prompt=str(own)).ask(documents(0.5), "m"))
    with pytest.raises(UserError, match="cannot read"):
        list(Verdict(against=items, prompt=str(tmp_path / "none.txt")).ask(documents(0.5), "m"))
    with pytest.raises(ValueError, match="more than doubt"):
        Verdict(against=items, doubt=0.9, above=0.5)


def test_below_the_ladder(tmp_path):
    artifact = run(recipe_of("decontaminate.verdict", EXAMPLE, tmp_path / "in"), tmp_path)[-1]
    kept, dropped = table_of(artifact), table_of(artifact, "drops")
    assert sorted(kept["id"].to_pylist() + dropped["id"].to_pylist()) == sorted(row["id"] for row in EXAMPLE.rows)
    assert dropped["id"].to_pylist() == ["doc-0", "doc-2", "doc-3"], "whole items leave unasked"
    asked = [row for row in kept.to_pylist() if row["decontaminate.verdict"] is not None]
    assert [row["id"] for row in asked] == ["doc-1"]
    assert asked[0]["decontaminate.verdict"] == "unclear"
    assert artifact.manifest["facts"]["asked"] == 1
