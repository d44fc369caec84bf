from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.kernels.sentences import said, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four…", ["One.", "Two!", "Three?", "Four…"]),
        ("Dr. Jo met J. K. Rowling, e.g. in 1990. He left.", ["Dr. Jo met J. K. Rowling, e.g. in 1990.", "He left."]),
        ("Pi is 3.14, see Fig. 3 and v1.2.3 of it. The answer is no. He knew.",
         ["Pi is 3.14, see Fig. 3 and v1.2.3 of it.", "The answer is no.", "He knew."]),
        ("So do I. Go!", ["So do I.", "Go!"]),
        ('She said "Go!" He went.', ['She said "Go!"', "He went."]),
        ("She left... and came back... Twice.", ["She left... and came back...", "Twice."]),
        ("他说：“你好！”妈妈笑着说，这是宝贝。完", ["他说：“你好！”", "妈妈笑着说，这是宝贝。", "完"]),
        ("价格是3.5元。真的？", ["价格是3.5元。", "真的？"]),
        ("# A title\nText under it\n\nNext", ["# A title", "Text under it", "Next"]),
        ("Buy:\n- milk\n- eggs\n1. First\n2. Second", ["Buy:", "- milk", "- eggs", "1. First", "2. Second"]),
        ("A line\nthat goes on. End", ["A line\nthat goes on.", "End"]),
        ("", []),
        (" \n\t", []),
        ("... !!! ???", []),
    ],
)  # fmt: skip
def test_sentences(text, expected):
    assert said(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(".!?。\n #-\"'aA1 "), max_size=200))
def test_they_stand_in_order_and_hold_every_letter(text):
    found = sentences(text)
    edges = [edge for span in found for edge in span]
    assert edges == sorted(edges)
    assert all(text[a:b] == text[a:b].strip() and text[a:b] for a, b in found)
    assert sum(map(str.isalnum, text)) == sum(map(str.isalnum, "".join(text[a:b] for a, b in found)))


@pytest.mark.parametrize("unit", [". ", "a. ", "\n", " ", "x", "#", "\n#", "。", "\n    ", ".)", '."'])
def test_no_text_stalls_it(unit):
    began = time.monotonic()
    sentences(unit * (300_000 // len(unit)))
    assert time.monotonic() - began < 10
