from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.stages.quality.c4 import C4
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome
from tests.stages.quality import golden

EXAMPLE = Example(knobs={"text": "cut"}, golden={"1": "bd74f357424ab350fe4ed652b125e03a"})
FIVE = "One fox is here. Two foxes are here. Three foxes are here. Four foxes are here. Five foxes are here."


def test_compat_decides_and_cuts_as_datatrove() -> None:
    assert golden.differences_on_made(C4(compat="datatrove"), "c4") == []
    rows = [row for row in golden.made() if "c4_text" in row]
    cut = mark(C4(compat="datatrove", text="cut"), documents([row["text"] for row in rows])).column("text").to_pylist()
    assert [text.strip() for text in cut] == [row["c4_text"] for row in rows]


def test_compat_decides_as_datatrove_on_every_real_document() -> None:
    total, dropped, other = golden.differences_on_real(C4(compat="datatrove"), "c4")
    assert (total > 10_000, dropped > 2_000, other) == (True, True, 0)


def test_without_compat_the_differences_are_those_of_the_page() -> None:
    assert golden.differences_on_real(C4(), "c4") == (12_910, 3_017, 1_452)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "few_sentences"),
        ("No end of a line\n" * 9, "few_sentences"),
        (FIVE + "\nThis is lorem ipsum for you.", "lorem_ipsum"),
        (FIVE + "\nThis is { for you.", "curly_bracket"),
        ("\n".join(["So it is.", "And so on.", "It is javascript, they say."]), "few_sentences"),
    ],
)
def test_each_reason(text: str, reason: str) -> None:
    assert outcome(C4(), documents([text]))[1]["d0"][0] == reason


def test_lines_that_leave() -> None:
    text = "\n".join(
        [
            f"  {FIVE}  ",
            "no end",
            "Two words.",
            "We use cookies, you know.",
            "Please turn on JavaScript here.",
            "It ends in dots...",
            "x" * 1001 + " is too long.",
            "It is so.[12] This too.[citation needed]",
            "小狐狸在森林里找到了一个纽扣。",
        ]
    )
    rows = mark(C4(text="cut"), documents([text])).to_pylist()
    assert rows[0]["text"] == f"{FIVE}\nIt is so. This too.\n小狐狸在森林里找到了一个纽扣。"
    assert rows[0]["quality.c4_lines"] == pytest.approx(3 / 9)
    assert rows[0]["quality.c4_sentences"] == 8
    assert mark(C4(), documents([text])).column("text").to_pylist() == [text]


def test_chinese_and_arabic_sentences_count_and_datatrove_sees_none() -> None:
    chinese = STORIES[3] * 2
    assert mark(C4(), documents([chinese, STORIES[4]])).column("quality.c4_sentences").to_pylist() == [6, 3]
    assert mark(C4(compat="datatrove"), documents([chinese])).column("quality.c4_sentences").to_pylist() == [0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=60) | st.sampled_from(STORIES), max_size=6).map("\n".join))
def test_cutting_twice_changes_nothing_more(text: str) -> None:
    stage = C4(text="cut", citations=False)
    once = mark(stage, documents([text])).column("text").to_pylist()
    assert mark(stage, documents(once)).column("text").to_pylist() == once


def test_hostile_texts_are_marked_in_both_ways() -> None:
    table = documents([*HOSTILE.values(), "x" * 10_000_000, "a.\n" * 300_000, ". " * 500_000])
    for stage in (C4(text="cut"), C4(text="cut", compat="datatrove")):
        assert mark(stage, table).num_rows == table.num_rows


def test_a_citation_at_the_beginning_leaves_no_space_before_the_text() -> None:
    text = "[1] Holt and O'Brien wrote this.\n[2] It is so here too, they say."
    for stage in (C4(text="cut"), C4(text="cut", compat="datatrove")):
        cut = mark(stage, documents([text])).column("text").to_pylist()
        assert cut == ["Holt and O'Brien wrote this.\n It is so here too, they say."]
