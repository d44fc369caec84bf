from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.punctuation import TERMINAL, ranges
from hornbook.stages.quality.fineweb import Fineweb
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome
from tests.stages.quality import golden

EXAMPLE = Example(golden={"1": "65738a93c68f1f07dee4444196967428"})
ENDS = tuple(chr(code) for first, last in ranges(TERMINAL) for code in range(first, last + 1))


def test_compat_decides_as_datatrove() -> None:
    assert golden.differences_on_made(Fineweb(compat="datatrove"), "fineweb") == []


def test_compat_decides_as_datatrove_on_every_real_document() -> None:
    total, dropped, other = golden.differences_on_real(Fineweb(compat="datatrove"), "fineweb")
    assert (total > 10_000, dropped > 1_000, other) == (True, True, 0)


def test_without_compat_two_documents_differ_as_the_page_says() -> None:
    assert golden.differences_on_real(Fineweb(), "fineweb") == (12_910, 1_913, 2)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.text(max_size=40) | st.sampled_from([*STORIES, "a.", "我很好。", "x", " ", "\r"]), max_size=12).map(
        "\n".join
    )
)
def test_marks_are_those_of_a_literal_reading(text: str) -> None:
    row = mark(Fineweb(), documents([text])).to_pylist()[0]
    lines = [line for line in text.split("\n") if line.strip()]
    again = sum(len(line) for at, line in enumerate(lines) if line in lines[:at])
    assert row["quality.full_lines"] == len(lines)
    assert row["quality.ended_lines"] == pytest.approx(sum(line.endswith(ENDS) for line in lines) / max(1, len(lines)))
    assert row["quality.short_lines"] == pytest.approx(sum(len(line) <= 30 for line in lines) / max(1, len(lines)))
    assert row["quality.dup_chars"] == pytest.approx(again / max(1, len(text.replace("\n", ""))))
    words = len(plain.words(text))
    assert row["quality.newline_share"] == (pytest.approx(text.count("\n") / words) if words else None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n\t\n", "empty"),
        ("\n".join(f"number {n} of a list of things without an end" for n in range(9)), "few_ended_lines"),
        ("\n".join(f"Number {n}." for n in range(9)), "short_lines"),
        ("The same line is said again, and it is not short.\n" * 2, "duplicate_chars"),
        ("A line that is long enough to be no short line.\n\n\n\n\n\n\n\n\n\n\n\n", "newlines"),
    ],
)
def test_each_reason(text: str, reason: str) -> None:
    assert outcome(Fineweb(), documents([text]))[1]["d0"][0] == reason


def test_every_script_ends_its_lines() -> None:
    assert outcome(Fineweb(), documents(STORIES))[0] == [f"d{at}" for at in range(len(STORIES))]
    assert Fineweb(language="cmn_Hani").drops()["duplicate_chars"].limit == 0.1
    assert "short_lines" not in Fineweb(language="deu").drops()


def test_hostile_texts_are_marked() -> None:
    table = documents([*HOSTILE.values(), "x" * 10_000_000, "a\n" * 500_000])
    assert mark(Fineweb(), table).column("quality.full_lines").to_pylist()[-2:] == [1, 500_000]
