from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.stages.quality.repetition import Repetition
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(golden={"1": "d0f9a4f04e06896920c8170b933527e1"})
SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "corpora"

GOPHER = {
    "duplicate_lines": 0.30,
    "duplicate_paragraphs": 0.30,
    "duplicate_line_chars": 0.20,
    "duplicate_paragraph_chars": 0.20,
    **{"top_2gram": 0.20, "top_3gram": 0.18, "top_4gram": 0.16},
    **{f"repeated_{n}gram": limit for n, limit in zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)},
}
"""Table A1 of arXiv:2112.11446, copied here a second time."""


def literal(text: str, min_words: int = 50) -> dict[str, float | None]:
    """Gopher's shares, literally; by reason of the drop."""
    lines, blocks, words = plain.lines(text), plain.paragraphs(text), plain.words(text)
    same_line, seen = [], set()
    for line in lines:
        if line in seen:
            same_line.append(line)
        seen.add(line)
    same_block, met = [], set()
    for block in map("\n".join, blocks):
        if block in met:
            same_block.append(block)
        met.add(block)
    whole = max(1, len(text))
    shares: dict[str, float | None] = {
        "duplicate_lines": len(same_line) / max(1, len(lines)),
        "duplicate_paragraphs": len(same_block) / max(1, len(blocks)),
        "duplicate_line_chars": sum(map(len, same_line)) / whole,
        "duplicate_paragraph_chars": sum(map(len, same_block)) / whole,
    }
    for n in (2, 3, 4):
        shares[f"top_{n}gram"] = min(1.0, plain.top(words, n) / whole) if len(words) >= min_words else None
    for n in range(5, 11):
        shares[f"repeated_{n}gram"] = plain.again(words, n) / whole
    return shares


def decided(text: str) -> str | None:
    shares = literal(text)
    return next((why for why, limit in GOPHER.items() if (shares[why] or 0.0) > limit), None)


def agree(texts: list[str], size: int = 4096) -> int:
    """Both readings give the same marks and decisions; how many were dropped."""
    stage = Repetition()
    table = mark(stage, documents(texts), size)
    for row, text in zip(table.to_pylist(), texts, strict=True):
        for why, share in literal(text).items():
            assert row[stage.drops()[why].mark] == (None if share is None else pytest.approx(share)), (why, text[:80])
    _, gone = outcome(stage, documents(texts), size)
    assert [gone.get(f"d{at}", (None,))[0] for at in range(len(texts))] == [decided(text) for text in texts]
    return len(gone)


SENTENCE = st.sampled_from(["the cat sat", "a dog ran off", "小狐狸在", "no", "é è", ""])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(SENTENCE, max_size=40).map("\n".join) | st.lists(SENTENCE, max_size=60).map(". ".join),
        min_size=1,
        max_size=4,
    )
)
@example([*STORIES, *(text for name, text in HOSTILE.items() if name != "long line")])
def test_decisions_are_those_of_a_literal_reading(texts: list[str]) -> None:
    agree(texts, 3)


def test_decisions_on_real_texts() -> None:
    path = SHARED / "openstax_physics.jsonl"
    if not path.exists():
        pytest.skip("../shared/data/corpora is not here; the law is tested on made texts above")
    texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")][:25]
    code = (SHARED / "the_algorithms_python.jsonl").open(encoding="utf-8")
    texts += [json.loads(line)["text"] for line in code][:150]
    assert 0 < agree(texts) < len(texts) / 2


def test_limits_are_gophers() -> None:
    assert {why: rule.limit for why, rule in Repetition().drops().items()} == GOPHER
    assert {rule.op for rule in Repetition().drops().values()} == {">"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Tick.\nTock.\nTick.\nTick.\n", "duplicate_lines"),
        ("one\n\ntwo\n\none\n\none", "duplicate_lines"),
        ("a\nb\n\nc\nd\n\na\nb\n", "duplicate_lines"),
        ("ha " * 3000, "top_2gram"),
        ("spam " * 20, "repeated_5gram"),
        ("小猫小猫小猫" * 12, "top_2gram"),
        (" ".join(f"word{n}" for n in range(60)) + " " + " ".join(f"word{n}" for n in range(60)), "repeated_5gram"),
    ],
)
def test_repetitive_texts_leave(text: str, reason: str) -> None:
    assert outcome(Repetition(), documents([text]))[1]["d0"][0] == reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "Hello world",
        "The cat saw the cat.",
        "Yes. Yes! Yes, yes.",
        "The red ball is big. The red ball is mine. I like it.",
        "小狐狸在森林里找到了一个蓝色的纽扣。小狐狸很高兴。",
        "one\r\n\r\ntwo\r\n\r\nthree\r\n",
        *STORIES,
    ],
)
def test_short_and_ordinary_texts_stay(text: str) -> None:
    assert outcome(Repetition(), documents([text]))[0] == ["d0"]


def test_a_limit_outside_its_bounds_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_lines"):
        Repetition(max_lines=1.3)


def test_a_ten_megabyte_line_is_marked() -> None:
    table = mark(Repetition(), documents(["x" * 10_000_000, "ab cd " * 1_700_000]))
    assert table.column("quality.top_2gram").to_pylist() == [None, pytest.approx(5 / 6)]
