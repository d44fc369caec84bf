from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.stages.quality.gopher import Gopher
from hornbook.stages.quality.repetition import Repetition
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome
from tests.stages.quality import golden

EXAMPLE = Example(knobs={"min_words": 10, "min_stop_words": 0}, golden={"1": "92377f86d7b011071622febe52a5a6f3"})
ARTICLES = Path(__file__).resolve().parents[3] / ".." / "shared" / "articles"
PROSE = " ".join(STORIES[:3]) + " It would be good to have more of that with the story."
CHINESE = "中国的语言是一种有声调的语言,在这里有很多人使用它,他们和别人交谈。也有人在学习写字。" * 2


def test_compat_decides_as_datatrove_on_made_texts() -> None:
    assert golden.differences_on_made(Gopher(compat="datatrove", repetition=False), "gopher") == []
    assert golden.differences_on_made(Repetition(compat="datatrove"), "repetition") == []


def test_compat_decides_as_datatrove_on_every_real_document() -> None:
    total, dropped, other = golden.differences_on_real(Gopher(compat="datatrove", repetition=False), "gopher")
    assert (total > 10_000, dropped > 5_000, other) == (True, True, 0)
    total, dropped, other = golden.differences_on_real(Repetition(compat="datatrove"), "repetition")
    assert (total > 10_000, dropped > 1_000, other) == (True, True, 0)


def test_without_compat_the_differences_are_those_of_the_page() -> None:
    """Words of the one rule instead of spaCy's: docs/stages/quality.gopher.md gives these numbers."""
    total, dropped, other = golden.differences_on_real(Gopher(repetition=False), "gopher")
    assert (total, dropped, other) == (12_910, 5_805, 3_087)
    assert golden.differences_on_real(Repetition(), "repetition") == (12_910, 1_511, 1_340)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Too short to be of use.", "too_short"),
        ("word " * 100_001, "too_long"),
        ("a b c d e f g h i j k l m n o p q r s t u v w x y z " * 5, "short_words"),
        ("internationalisation of electroencephalography " * 30, "long_words"),
        (PROSE + " #" * 60, "hashes"),
        (PROSE + " ..." * 60, "ellipses"),
        ("• " + "\n- ".join(f"the thing of number {n} and that have words to be" for n in range(30)), "bullets"),
        (
            "\n".join(f"the thing of number {n} and that have words to be" + " ..." * (n % 2) for n in range(30)),
            "ellipsis_lines",
        ),
        (" ".join(f"{n * 7919} the of words" if n % 4 == 0 else f"{n * 104729}" for n in range(99)), "few_letters"),
        (CHINESE, "few_stop_words"),
        ("\n".join(["The fox that was in the garden had to be quick with its feet."] * 12), "duplicate_lines"),
    ],
)
def test_each_reason(text: str, reason: str) -> None:
    assert outcome(Gopher(), documents([text]))[1]["d0"][0] == reason


def test_ordinary_texts_stay_in_their_language() -> None:
    assert outcome(Gopher(), documents([PROSE]))[0] == ["d0"]
    assert outcome(Gopher(language="cmn_Hani", repetition=False), documents([CHINESE]))[0] == ["d0"]


def test_chinese_articles_stay_by_the_chinese_limits_only() -> None:
    if not ARTICLES.exists():
        pytest.skip("../shared/articles is not here; the law is tested on a made text above")
    table = documents([path.read_text(encoding="utf-8") for path in sorted(ARTICLES.glob("*.txt"))])
    assert len(outcome(Gopher(language="cmn_Hani"), table)[0]) == table.num_rows
    assert {why for why, _ in outcome(Gopher(), table)[1].values()} <= {"few_stop_words"}
    dropped = outcome(Gopher(compat="datatrove"), table)[1]
    assert len(dropped) == table.num_rows, "a whole sentence is one word for spaCy's English"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.text(max_size=120) | st.sampled_from([*STORIES, "…", "...", "#a", "• b\n", "小 狐", "\r\n"]), max_size=6
    ).map(" ".join)
)
def test_marks_are_those_of_a_literal_reading(text: str) -> None:
    row = mark(Gopher(), documents([text])).to_pylist()[0]
    words = plain.words(text)
    lines = text.splitlines()
    assert row["quality.words"] == len(words)
    assert row["quality.hash_share"] == pytest.approx(text.count("#") / max(1, len(words)))
    assert row["quality.ellipsis_share"] == pytest.approx((text.count("...") + text.count("…")) / max(1, len(words)))
    bullets = sum(line.lstrip().startswith(("•", "-")) for line in lines)
    assert row["quality.bullet_lines"] == pytest.approx(bullets / max(1, len(lines)))
    trailing = sum(line.rstrip().endswith(("...", "…")) for line in lines)
    assert row["quality.ellipsis_lines"] == pytest.approx(trailing / max(1, len(lines)))


def test_hostile_texts_are_marked_in_both_ways() -> None:
    table = documents([*HOSTILE.values(), "x" * 10_000_000, "!" * 1_000_000])
    for stage in (Gopher(), Gopher(compat="datatrove")):
        assert mark(stage, table).num_rows == table.num_rows


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="deu_Latn"):
        Gopher(language="klingon")
    with pytest.raises(ValidationError, match="eng alone"):
        Gopher(language="deu", compat="datatrove")


def test_the_language_gives_limits_and_a_knob_overrides_them() -> None:
    rules = Gopher(language="cmn_Hani").drops()
    assert rules["long_words"].limit == 5
    assert rules["top_2gram"].limit == 0.256
    assert "duplicate_paragraphs" not in rules
    assert Gopher(language="cmn_Hani", max_word_length=7).drops()["long_words"].limit == 7
    assert json.dumps(Gopher().drops()["top_2gram"].limit) == "0.2"
