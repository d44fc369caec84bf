from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.stages.cluster.label import SCHEMA, Label, told_apart
from tests.contract import Example
from tests.stages.cluster.sets import GROUPED

EXAMPLE = Example(above=(*GROUPED, ("cluster.extracts", {})), golden={"1": "a54f7cddd080f5da0f1d33aa92d606a1"})
CLUSTERS = pa.table(
    {
        "text": ["1. Knead the dough.", "1. {keywords} of {extracts}", ""],
        "cluster.id": pa.array([0, 1, 2], pa.int32()),
        "cluster.keywords": [["dough", "oven"], ["court"], []],
    }
)


def said(topic: object, score: object) -> str:
    return json.dumps({"topic": topic, "score": score})


def took(*replies: str) -> list[tuple[str | None, int | None]]:
    found = Label().take(CLUSTERS.slice(0, len(replies)), [Reply(f"k{n}", text) for n, text in enumerate(replies)])
    return list(zip(found["cluster.topic"].to_pylist(), found["cluster.score"].to_pylist(), strict=True))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_asked(language):
    first, second, third = Label(words=f"shipped:clusters/label.{language}.txt").ask(CLUSTERS, "m")
    assert "1. Knead the dough." in first.messages[0]["content"]
    assert "dough, oven" in first.messages[0]["content"]
    assert "1. {keywords} of {extracts}" in second.messages[0]["content"], "a text is never taken for a place"
    assert third is None
    assert first.schema == SCHEMA
    assert next(Label(bind=False).ask(CLUSTERS, "m")).schema is None


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (said("Baking bread", 7), ("Baking bread", 7)),
        (f"Sure!\n```json\n{said('Baking bread', 7)}\n```", ("Baking bread", 7)),
        (f"<think>{said('No', 1)}</think>{said('Baking', 10)}", ("Baking", 10)),
        (said("  Baking \u202e\x00 bread.\n", "8"), ("Baking bread", 8)),
        (said("Baking {bread}", 3), ("Baking {bread}", 3)),
        (said("Baking", 6.4), ("Baking", 6)),
        (said("Baking", 0), (None, None)),
        (said("Baking", 11), (None, None)),
        (said("Baking", True), (None, None)),
        (said("Baking", None), (None, None)),
        (said("", 5), (None, None)),
        (said(["a"], 5), (None, None)),
        ("[1, 2]", (None, None)),
        ("Topic: bread, score: 3", (None, None)),
        ("", (None, None)),
        ("{" * 100_000, (None, None)),
    ],
)
def test_replies_are_read(reply, found):
    assert took(reply) == [found]


@given(st.text())
def test_any_reply_is_read(text):
    ((topic, score),) = took(text)
    assert (topic is None) == (score is None)


def test_a_long_topic_is_cut():
    assert took(said("word " * 1000, 5))[0][0] == ("word " * 20).strip()


def test_a_reply_that_cannot_be_read_is_asked_for_again():
    stage = Label(tries=2)
    row = CLUSTERS.to_pylist()[0]
    asked = [next(stage.ask(CLUSTERS, "m"))]
    replies = [Reply("a", "bread", "stop")]
    again = stage.again(row, asked, replies)
    assert again.messages[0] == asked[0].messages[0]
    assert again.messages[1] == {"role": "assistant", "content": "bread"}
    assert "no JSON" in again.messages[2]["content"]
    third = stage.again(row, [*asked, again], [*replies, Reply("b", said("x", 99), "stop")])
    assert "1 to 10" in third.messages[-1]["content"]
    assert stage.again(row, [*asked, again, third], [*replies, *replies, *replies]) is None
    assert stage.again(row, asked, [Reply("a", said("Bread", 4), "stop")]) is None
    assert stage.again(row, asked, [Reply("a", error="refusal", detail="no")]) is None
    assert len(stage.ahead()) == 2


def test_marks_say_why_there_is_none():
    replies = [
        Reply("b", said("Bread", 4), before=(Reply("a", "bread"),)),
        Reply("c", error="refusal", detail="I will not"),
        Reply("", error="rejected", detail="no request"),
    ]
    found = Label().take(CLUSTERS, replies).to_pylist()
    assert [row["cluster.tries"] for row in found] == [2, 1, 0]
    assert [row["cluster.error"] for row in found] == [None, "refusal: I will not", "rejected: no request"]
    assert [row["cluster.request"] for row in found] == ["b", "c", None]


def test_equal_topics_are_told_apart():
    words = [["beer", "malt", "ale"], ["hops", "vine"], ["law"], [], [], None]
    found = told_apart(["Beer", "beer", "Law", "Odds", "ODDS", None], words, [0, 1, 2, 3, 4, 5])
    assert found == ["Beer (malt, ale)", "beer (hops, vine)", "Law", "Odds #3", "ODDS #4", None]


@given(st.lists(st.tuples(st.sampled_from(["a", "A", "b"]), st.lists(st.sampled_from("xyz"), max_size=3)), max_size=8))
def test_no_two_topics_are_the_same(rows):
    found = told_apart([t for t, _ in rows], [k for _, k in rows], list(range(len(rows))))
    assert len({topic.casefold() for topic in found}) == len(rows)


def test_words_of_ones_own(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Worum geht es? {extracts}", encoding="utf-8")
    assert "Worum" in next(Label(words=str(path)).ask(CLUSTERS, "m")).messages[0]["content"]
    path.write_text("Worum geht es?", encoding="utf-8")
    with pytest.raises(UserError, match="extracts"):
        list(Label(words=str(path)).ask(CLUSTERS, "m"))
    with pytest.raises(UserError, match="cannot read"):
        list(Label(words=str(tmp_path / "none.txt")).ask(CLUSTERS, "m"))
