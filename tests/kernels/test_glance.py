"""A glance reads what the compiled kernels read, and finds repeats as exact sets say."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.glance import LONGEST, Recent, glance
from hornbook.kernels.words import count, normalise
from hornbook.kernels.words import texts as buffers
from tests.kernels import plain

TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aB9 ,小さกา\u0301\u00ad\u200b\u0e31\n")),
    max_size=12,
)
FEW = st.lists(st.lists(st.sampled_from("abc小7"), max_size=14).map(" ".join), max_size=8)


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_words_and_openings_are_those_of_the_one_rule(many: list[str]) -> None:
    read = glance(many, 3, 64)
    column = pa.array(many, pa.large_string())
    assert np.diff(read.offsets).tolist() == count(*buffers(column)).tolist()
    assert read.openings == normalise(column, "words", most_words=3, most_bytes=64).to_pylist()
    found = [word for text in many for word, _, _ in plain.words(text)]
    assert len(set(read.words.tolist())) == len(set(found))
    assert len(set(zip(found, read.words.tolist(), strict=True))) == len(set(found))


@settings(deadline=None)
@given(FEW, st.integers(1, 6))
def test_runs_are_equal_exactly_where_their_words_are(many: list[str], n: int) -> None:
    hashes, offsets = glance(many).runs(n)
    runs = []
    for text in many:
        found = [word for word, _, _ in plain.words(text)]
        runs.append([tuple(found[at : at + n]) for at in range(len(found) - n + 1)])
    assert np.diff(offsets).tolist() == [len(own) for own in runs]
    flat = [run for own in runs for run in own]
    assert len(set(zip(flat, hashes.tolist(), strict=True))) == len(set(flat)) == len(set(hashes.tolist()))


def test_a_word_has_one_hash_wherever_it_stands() -> None:
    read = glance(["fox " * 9_000, "a fox", "x" * 40_000 + " fox"])
    fox = int(read.words[0])
    sizes = np.diff(read.offsets).tolist()
    assert sizes == [LONGEST // 4, 2, 1], "a text is read to its bound"
    assert set(read.words[: sizes[0]].tolist()) == {fox} == {int(read.words[sizes[0] + 1])}


@settings(deadline=None)
@given(FEW, st.integers(0, 8))
def test_the_way_a_stream_is_cut_changes_nothing(many: list[str], cut: int) -> None:
    whole, parts = Recent(capacity=5), Recent(capacity=5)
    assert whole.see(glance(many)) == parts.see(glance(many[:cut])) + parts.see(glance(many[cut:]))


def exact(one: list[str], two: list[str]) -> float:
    sets = [{tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, two)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_similarity_is_that_of_the_sets() -> None:
    """Exact up to 128 runs of words, within four standard errors beyond; similar ones meet, others are never alike."""
    draw = random.Random(4)
    for size in (40, 110, 400):
        met = errors = 0
        for _ in range(60):
            one = [f"w{draw.randrange(5_000)}" for _ in range(size)]
            two = list(one)
            for at in draw.sample(range(size), size // 40):
                two[at] = "other"
            recent = Recent()
            assert recent.see(glance([" ".join(one)])) == [0.0]
            (found,) = recent.see(glance([" ".join(two)]))
            true = exact(one, two)
            met += found > 0
            limit = 1e-9 if size <= 110 else 4 * (true * (1 - true) / 128) ** 0.5
            errors += found > 0 and abs(found - true) > limit
            assert recent.see(glance([" ".join(f"v{draw.randrange(5_000)}" for _ in range(size))])) == [0.0]
        assert met >= 58
        assert errors == 0


def test_repeats_are_found_among_the_last_and_forgotten_after() -> None:
    draw, recent = random.Random(5), Recent(capacity=50)
    many = [" ".join(f"w{draw.randrange(900)}" for _ in range(30)) for _ in range(60)]
    assert not any(recent.see(glance(many)))
    assert recent.see(glance([many[0]])) == [0.0], "60 texts ago, 50 are remembered"
    assert recent.see(glance([many[-1]])) == [1.0]
    assert Recent().see(glance(["two words", "Two, words!", "", "...", ""])) == [0.0, 1.0, 0.0, 0.0, 0.0]
