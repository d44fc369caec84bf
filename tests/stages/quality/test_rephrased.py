"""quality.rephrased: what models put around a text goes, what they were asked for stays, all else is malformed."""

import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.documents import with_columns
from hornbook.core.rules import select
from hornbook.stages.quality._tidying import items, pairs, passage, plain
from hornbook.stages.quality.rephrased import Rephrased
from tests.contract import Example
from tests.corpus import HOSTILE

SOURCE = "Shoes were first made of bark and leather. People wore them on stony ground. Later they were made of rubber."
LONG = "Shoes protect the feet of people who walk on stony ground, and they have been made of many things. " * 3
REPLIES = [
    ("wikipedia", "Here is a paraphrased version:\n" + LONG),
    ("wikipedia", "Too short."),
    ("distill", "Paraphrased Text: Shoes, first of bark and leather, later of rubber, protect feet."),
    ("distill", LONG),
    ("extract_knowledge", "Passage 1:\n" + LONG),
    ("knowledge_list", "Here is the list:\n- Shoes protect feet.\n- Bark was used first.\n\nI hope this helps!"),
    ("knowledge_list", "No list at all."),
    ("diverse_qa", "Question: What were shoes made of?\nAnswer: Bark.\nQuestion: Where were they worn?"),
    ("diverse_qa", "I cannot do that."),
    ("textbook", "**Bold** words stay, their stars go. " + LONG),
    ("wikipedia", ""),
]
ROWS = [
    {"id": f"r{at}", "text": text, "origin": "test", "prompts.format": form, "prompts.language": "en",
     "rephrase.source": SOURCE} for at, (form, text) in enumerate(REPLIES)
]  # fmt: skip
EXAMPLE = Example(knobs={"min_words": 5}, rows=ROWS, golden={"1": "dc5268580a0ae1800534584055dc0934"})


def tidied(form, text, source=SOURCE, language="en", **knobs):
    """(the row, the reason it leaves for)."""
    table = pa.Table.from_pylist(
        [{"id": "a", "text": text, "prompts.format": form, "prompts.language": language, "rephrase.source": source}]
    )
    stage = Rephrased(**{"min_words": 1} | knobs)
    kept, dropped = select(with_columns(table, stage.each(table)), stage.drops())
    return (kept.to_pylist() or dropped.to_pylist())[0], dropped["reason"].to_pylist()[0] if dropped.num_rows else None


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("Sure! Here is a paraphrased version:\nShoes are old.", "Shoes are old."),
        ("Here's the rewritten text: Shoes are old.", "Shoes are old."),
        ("Paraphrased Text: Shoes are old.", "Shoes are old."),
        ("好的，以下是改写后的文字：\n鞋很早就有了。\n\n希望这对您有帮助！", "鞋很早就有了。"),
        ("```\nShoes are old.\n```", "Shoes are old."),
        ('"Shoes are old."', "Shoes are old."),
        ("## Shoes\n\n\n**Shoes** are __old__.", "Shoes\n\nShoes are old."),
        ("<think>Hm.</think>Shoes are old.\n\nLet me know if you want more.", "Shoes are old."),
        ("Here is where shoes were made: in Armenia.", "Here is where shoes were made: in Armenia."),
        ("The following year shoes were sold.", "The following year shoes were sold."),
        ('"Old" is what shoes are, and "good".', '"Old" is what shoes are, and "good".'),
        ("2 * 3 ** 2 = 18 and x__y", "2 * 3 ** 2 = 18 and x__y"),
    ],
)
def test_prose_is_what_is_left(reply, kept):
    assert passage(reply) == kept


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("Question: Who?\nAnswer: I.\nQuestion: Why?\nAnswer: So.", [("Who?", "I."), ("Why?", "So.")]),
        ("- Question: Who?\n- Answer: I.\n\n2. Q: Why?\nA: So,\nand so.", [("Who?", "I."), ("Why?", "So,\nand so.")]),
        ("**Question 1:** Who?\n\n**Answer:** I.\nQuestion: who?\nAnswer: You.", [("Who?", "I.")]),
        ("问：谁？\n答：我。\n问题2：为什么？\n答案：因为。", [("谁？", "我。"), ("为什么？", "因为。")]),
        ("Question: Who?\nA) I\nB) you\nAnswer: A\nQuestion: Cut of", [("Who?\nA) I\nB) you", "A")]),
        ("Answer: I.", []),
        ("Question: Who?", []),
        ("", []),
    ],
)
def test_pairs_are_read(reply, found):
    assert pairs(reply) == found


def test_at_most_eight_pairs_stand_under_what_they_are_about():
    reply = "\n".join(f"Question: What is {n}?\nAnswer: {n}." for n in range(12))
    row, reason = tidied("diverse_qa", reply)
    assert (reason, row["rephrased.parts"]) == (None, 8)
    assert row["text"].startswith(SOURCE + "\n\nQuestion: What is 0?\nAnswer: 0.\n\n")
    assert tidied("diverse_qa", reply, with_source=False)[0]["text"].startswith("Question: What is 0?")
    assert tidied("diverse_qa", reply, most_pairs=3)[0]["rephrased.parts"] == 3
    assert row["rephrased.words"] == tidied("diverse_qa", reply, with_source=False)[0]["rephrased.words"]
    assert tidied("diverse_qa", "问：谁？\n答：我。", source=None, language="zh")[0]["text"] == "问：谁？\n答：我。"


def test_items_are_read_and_go_on_where_a_line_stands_further_in():
    assert items("The list:\n- One\n  goes on.\n* Two.\n3) Three.\n- one goes on\nBye.") == [
        "One goes on.",
        "Two.",
        "Three.",
        "one goes on",
    ]
    assert items("No list - none.") == []
    row, reason = tidied("knowledge_list", "- 一。\n- 二。")
    assert (row["text"], row["rephrased.parts"], reason) == ("一。\n二。", 2, None)


@pytest.mark.parametrize(
    ("form", "reply", "reason"),
    [
        ("diverse_qa", "I cannot.", "malformed"),
        ("knowledge_list", "I cannot.", "malformed"),
        ("wikipedia", "", "malformed"),
        ("wikipedia", "Here is a paraphrased version:\n", "malformed"),
        ("wikipedia", "Four words are few.", "short"),
        ("distill", SOURCE + " And more than that.", "not_shorter"),
        ("distill", "Shoes of bark, leather and rubber.", None),
        ("wikipedia", SOURCE + " And more than that.", None),
    ],
)
def test_what_is_not_what_was_asked_for_leaves(form, reply, reason):
    row, found = tidied(form, reply, min_words=5)
    assert found == reason
    assert (row["rephrased.fault"] is not None) == (reason == "malformed")


@given(st.text(st.sampled_from('Question: Answer\n-*#`"“”<think>/ Here is a:问答：1. ')))
def test_tidying_twice_changes_no_list_and_no_pair(reply):
    said = "\n\n".join(f"Question: {a}\nAnswer: {b}" for a, b in pairs(reply))
    assert all(any(map(str.isalnum, item)) for item in items(reply))
    assert len(pairs(said)) <= len(pairs(reply))
    assert len(plain(reply)) <= len(reply)


@pytest.mark.parametrize("form", ["wikipedia", "diverse_qa", "knowledge_list", "distill", None])
def test_hostile_replies_are_kept_or_dropped(form):
    for reply in [*HOSTILE.values(), None]:
        row, reason = tidied(form, reply)
        assert reason in (None, "malformed", "short", "not_shorter")
        assert row["text"] is not None


@pytest.mark.parametrize(
    "unit",
    ["**a", "```", "Question:\nAnswer:\n", "- a\n", "Here is ", "\n", "#", "passage 1", "\n i hope this", "希望这"],
)
def test_no_text_makes_it_slow(unit):
    began = time.monotonic()
    for form in ("wikipedia", "diverse_qa", "knowledge_list"):
        tidied(form, unit * (10**7 // len(unit)))
    assert time.monotonic() - began < 20
