from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.stages.quality.openings import Openings
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES, rows
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(knobs={"words": 3, "max_share": 0.05, "seed": 17}, golden={"1": "6f1f5d4cd68ae37fe916a5e860387737"})
ODDITIES = [text for text in HOSTILE.values() if len(text) < 5000]
TEXTS = st.lists(
    st.sampled_from(
        ["Once upon a time", "once UPON a\nmouse", "Once", "", "...", "小狐狸跑了", "小狐狸睡了", "Über uns ist"]
    ),
    min_size=1,
    max_size=40,
)


def opening(text: str, n: int) -> tuple[str, ...]:
    return tuple(word for word, _, _ in plain.words(text))[:n]


@settings(deadline=None, max_examples=60)
@given(
    TEXTS, st.integers(1, 4), st.integers(1, 50), st.sampled_from([0.01, 0.1, 0.2, 1 / 3, 0.5, 1.0]), st.integers(0, 3)
)
@example([*ODDITIES, *STORIES, *STORIES], 3, 7, 0.1, 0)
def test_shares_ranks_and_the_cap(texts: list[str], n: int, size: int, share: float, seed: int) -> None:
    stage, table = Openings(words=n, max_share=share, seed=seed), documents(texts)
    marks = mark(stage, table, size)
    counts = Counter(opening(text, n) for text in texts)
    ranks: dict[tuple[str, ...], list[int]] = {}
    for row, text in zip(marks.to_pylist(), texts, strict=True):
        begins = opening(text, n)
        if not begins:
            assert row["quality.opening"] is row["quality.opening_share"] is row["quality.opening_place"] is None
            continue
        assert row["quality.opening_share"] == counts[begins] / len(texts)
        assert row["quality.opening_place"] == row["quality.opening_rank"] / len(texts)
        ranks.setdefault(begins, []).append(row["quality.opening_rank"])
    assert all(sorted(found) == list(range(counts[begins])) for begins, found in ranks.items())
    kept, gone = outcome(stage, table, size)
    left = Counter(opening(texts[int(key[1:])], n) for key in kept)
    assert all(reason == "opening" for reason, _ in gone.values())
    for begins, many in counts.items():
        cap = max(1, math.ceil(share * len(texts) - 1e-9)) if begins else many
        assert left[begins] == min(many, cap)
    assert mark(stage, table, len(texts)).equals(marks), "pieces change nothing"


def test_by_default_nothing_leaves() -> None:
    kept, gone = outcome(Openings(), documents(["Once upon a time"] * 9))
    assert (len(kept), gone) == (9, {})


def test_a_fifth_of_ten_is_two_and_the_evidence_is_the_opening() -> None:
    kept, gone = outcome(Openings(max_share=0.2), documents(["Once upon a time"] * 9 + ["A dog"]))
    assert len(kept) == 3
    assert "d9" in kept
    assert set(gone.values()) == {
        ("opening", f"quality.opening_place = {at / 10:.4g} >= 0.2; once upon a") for at in range(2, 9)
    }


def test_the_kept_are_drawn_by_seed_and_id_not_by_place() -> None:
    ids = [f"story-{n}" for n in range(200)]
    texts = [f"Once upon a time {n}" for n in range(200)]
    kept, _ = outcome(Openings(max_share=0.1, seed=17), documents(texts, ids))
    back, _ = outcome(Openings(max_share=0.1, seed=17), documents(texts[::-1], ids[::-1]))
    other, _ = outcome(Openings(max_share=0.1, seed=18), documents(texts, ids))
    assert set(kept) == set(back)
    assert set(kept) != set(other)
    assert max(int(key.split("-")[1]) for key in kept) > 100


def test_a_long_first_word_is_cut() -> None:
    marks = mark(Openings(words=1), documents(["x" * 100_000, "小" * 3, "é" * 300]))
    assert marks.column("quality.opening").to_pylist() == ["x" * 256, "小", "é" * 128]


def test_hostile_corpus_in_pieces_of_every_size() -> None:
    table = documents([row["text"] for row in rows()], [row["id"] for row in rows()])
    whole = mark(Openings(max_share=0.1), table)
    assert all(mark(Openings(max_share=0.1), table, size).equals(whole) for size in (1, 2, 5))


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_the_cap_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="max_share"):
        Openings(max_share=share)
