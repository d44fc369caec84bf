"""Sketches against exact counts: bounds, merging, estimates."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.minhash import EMPTY, Earlier, jaccard, shingles, signatures, similarity
from hornbook.kernels.sketches import Distinct, Lengths, SpaceSaving, entropy, ks_distance
from hornbook.kernels.words import texts, words
from tests.kernels import plain

ITEMS = st.lists(st.sampled_from("abcdefghij"), max_size=120)


def saved(items, capacity: int) -> SpaceSaving:
    sketch = SpaceSaving(capacity)
    sketch.add(items)
    return sketch


def bounds_hold(sketch: SpaceSaving, items: list[str]) -> None:
    true, kept = Counter(items), {one.item: one for one in sketch.top(sketch.capacity)}
    assert sketch.total == len(items)
    for one in kept.values():
        assert one.count - one.error <= true[one.item] <= one.count
        assert one.error <= len(items) / sketch.capacity
    for item, count in true.items():
        assert item in kept or count <= len(items) / sketch.capacity
    counts = [one.count for one in sketch.top(sketch.capacity)]
    assert counts == sorted(counts, reverse=True)


@settings(deadline=None)
@given(ITEMS, st.integers(1, 12))
def test_frequent_items_within_their_bounds(items: list[str], capacity: int) -> None:
    bounds_hold(saved(items, capacity), items)


@settings(deadline=None)
@given(ITEMS, ITEMS, ITEMS, st.integers(1, 12))
def test_merged_frequent_items_within_their_bounds(one, two, more, capacity: int) -> None:
    sketch = saved(one, capacity)
    sketch.merge(saved(two, capacity))
    bounds_hold(sketch, one + two)
    sketch.add(more)
    bounds_hold(sketch, one + two + more)


@settings(deadline=None)
@given(ITEMS)
def test_with_room_for_all_counts_are_exact(items: list[str]) -> None:
    found = [(one.item, one.count, one.error) for one in saved(items, 10).top(10)]
    assert found == [(item, count, 0) for item, count in sorted(Counter(items).items(), key=lambda p: (-p[1], p[0]))]


@pytest.mark.parametrize("bits", [10, 14])
@pytest.mark.parametrize("true", [0, 1, 40, 1_000, 3_000, 60_000, 400_000])
def test_distinct_things_are_counted_within_four_standard_errors(bits: int, true: int) -> None:
    """Consecutive numbers as hashes: it may not lean on hashes being random."""
    sketch, numbers = Distinct(bits), np.arange(true, dtype=np.uint64)
    sketch.add(numbers)
    sketch.add(numbers[: true // 2])
    assert sketch.estimate() == pytest.approx(true, rel=4 * 1.04 / math.sqrt(1 << bits), abs=0.5)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_merging_distinct_is_the_union(one: list[int], two: list[int]) -> None:
    sketches = [Distinct(6), Distinct(6), Distinct(6)]
    for sketch, some in zip(sketches, [one, two, [*two, *one, *two]], strict=True):
        sketch.add(np.array(some, np.uint64))
    sketches[0].merge(sketches[1])
    assert (sketches[0].registers == sketches[2].registers).all()


LENGTHS = st.lists(st.integers(0, 10**7), max_size=60)


@settings(deadline=None)
@given(LENGTHS, LENGTHS, st.integers(1, 30))
def test_merging_lengths_is_seeing_both(one: list[int], two: list[int], window: int) -> None:
    apart, whole = [Lengths(window), Lengths(window)], Lengths(window)
    for sketch, some in zip(apart, [one, two], strict=True):
        sketch.add(some)
    apart[0].merge(apart[1])
    whole.add(one + two)
    assert vars(apart[0]) == vars(whole)


@settings(deadline=None)
@given(LENGTHS.filter(bool), st.floats(0.01, 1.0))
def test_quantiles_within_one_percent(lengths: list[int], share: float) -> None:
    sketch = Lengths()
    sketch.add(lengths)
    true = sorted(lengths)[max(1, math.ceil(share * len(lengths))) - 1]
    assert sketch.quantile(share) == pytest.approx(true, rel=0.0101)


@settings(deadline=None)
@given(LENGTHS.filter(bool), LENGTHS.filter(bool))
def test_distance_of_distributions(one: list[int], two: list[int]) -> None:
    def share(some: list[int], at: int) -> float:
        return sum(x <= at for x in some) / len(some)

    assert ks_distance(one, two) == pytest.approx(max(abs(share(one, x) - share(two, x)) for x in one + two))


def test_drift_is_seen_and_chance_is_not() -> None:
    draw = random.Random(3)
    steady, grown = Lengths(200), Lengths(200)
    steady.add(draw.gauss(100, 10) for _ in range(2_000))
    grown.add(draw.gauss(100 + at / 100, 10) for at in range(2_000))
    assert steady.drift()[0] < steady.drift()[1]
    assert grown.drift()[0] > 2 * grown.drift()[1]
    assert Lengths().drift() == (0.0, 1.0)


def test_entropy() -> None:
    assert entropy([]) == entropy([0, 7]) == 0.0
    assert entropy([5, 5, 5, 5]) == pytest.approx(2.0)
    assert entropy([3, 1]) == pytest.approx(0.811278, abs=1e-6)


TEXT = st.lists(st.sampled_from(["a", "b", "c", "7", "小", "don't", "É"]), max_size=14).map(" ".join)


def read(many: list[str]):
    return words(*texts(pa.array(many, pa.string())))


@settings(deadline=None)
@given(st.lists(TEXT, max_size=6), st.integers(1, 6), st.booleans())
def test_shingles_are_runs_of_words(many: list[str], n: int, short: bool) -> None:
    """Equal hashes exactly where the runs of folded words are equal."""
    hashes, offsets = shingles(read(many), n, short=short)
    runs = []
    for text in many:
        found = [word for word, _, _ in plain.words(text)]
        own = [tuple(found[at : at + n]) for at in range(len(found) - n + 1)]
        runs.append(own or ([tuple(found)] if short and found else []))
    assert np.diff(offsets).tolist() == [len(own) for own in runs]
    flat = [run for own in runs for run in own]
    named = dict(zip(flat, hashes.tolist(), strict=True))
    assert [named[run] for run in flat] == hashes.tolist()
    assert len(set(named.values())) == len(named)


def random_sets(similar: float, size: int, draw: random.Random) -> tuple[np.ndarray, np.ndarray]:
    shared = round(2 * size * similar / (1 + similar))
    both = [draw.getrandbits(64) for _ in range(shared)]
    sets = [both + [draw.getrandbits(64) for _ in range(size - shared)] for _ in range(2)]
    return tuple(np.array(some, np.uint64) for some in sets)


@pytest.mark.parametrize("similar", [0.0, 0.3, 0.72, 0.95, 1.0])
def test_signatures_estimate_similarity(similar: float) -> None:
    """Mean over 60 pairs within four standard errors of the mean; no pair worse than five of its own."""
    draw, off = random.Random(11), []
    for _ in range(60):
        one, two = random_sets(similar, 200, draw)
        signs = signatures(np.concatenate([one, two]), np.array([0, 200, 400]))
        off.append(similarity(*signs) - jaccard(one, two))
    error = math.sqrt(max(similar * (1 - similar), 1e-12) / 112)
    assert abs(np.mean(off)) <= 4 * error / math.sqrt(60) + 0.002
    assert np.abs(off).max() <= 5 * error + 0.01


@settings(deadline=None)
@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_exact_similarity(one: list[int], two: list[int]) -> None:
    a, b = set(one), set(two)
    got = jaccard(np.array(one, np.uint64), np.array(two, np.uint64))
    assert got == pytest.approx(len(a & b) / len(a | b) if a | b else 0.0)


def signs_of(many: list[str]) -> np.ndarray:
    return signatures(*shingles(read(many)))


@settings(deadline=None)
@given(st.lists(TEXT, max_size=40), st.integers(1, 50))
def test_exact_repeats_are_always_found_and_never_invented(many: list[str], capacity: int) -> None:
    """A text whose like is among the last `capacity` is found; similarity said is that of the text named."""
    signs = signs_of(many)
    alike, which = Earlier(capacity=capacity).see(signs)
    for at, row in enumerate(signs):
        if row[0] == EMPTY:
            assert which[at] == -1
            continue
        if which[at] >= 0:
            assert at - capacity <= which[at] < at
            assert alike[at] == pytest.approx(similarity(row, signs[which[at]]))
        near = [other for other in range(max(0, at - 4), at) if (signs[other] == row).all()]
        if near and capacity >= 4:
            assert alike[at] == 1.0


@settings(deadline=None)
@given(st.lists(TEXT, max_size=30), st.integers(0, 30))
def test_the_way_a_stream_is_cut_changes_nothing(many: list[str], cut: int) -> None:
    signs, index = signs_of(many), Earlier(capacity=16)
    parts = [index.see(signs[:cut]), index.see(signs[cut:])]
    for whole, pieces in zip(Earlier(capacity=16).see(signs), zip(*parts, strict=True), strict=True):
        assert np.array_equal(whole, np.concatenate(pieces))


def test_near_repeats_meet_and_others_do_not() -> None:
    """2,000 texts of 120 random words; each tenth repeats an earlier one with 2 words changed (similarity 0.85)."""
    draw = random.Random(5)
    many: list[list[str]] = []
    for at in range(2_000):
        if at % 10 == 9:
            text = list(many[draw.randrange(len(many))])
            for place in draw.sample(range(10, 110), 2):
                text[place] = f"x{draw.randrange(10**9)}"
        else:
            text = [f"w{draw.randrange(5_000)}" for _ in range(120)]
        many.append(text)
    alike, _ = Earlier().see(signs_of([" ".join(text) for text in many]))
    repeats = np.arange(2_000) % 10 == 9
    assert (alike[repeats] >= 0.7).mean() > 0.9
    assert (alike[~repeats] >= 0.7).sum() == 0


def test_merged_indexes_know_both() -> None:
    signs = signs_of([f"{'abcdefgh'[at % 8]} {at} tells of {at * 7} and {at * 11} things" for at in range(64)])
    one, two = Earlier(capacity=64), Earlier(capacity=64)
    one.see(signs[:32])
    two.see(signs[32:])
    assert (one.merge(two) < 0.7).all()
    again, which = one.see(signs)
    assert (again == 1.0).all()
    assert which.tolist() == list(range(64))


def test_memory_is_bounded() -> None:
    index, sketch = Earlier(capacity=100), SpaceSaving(16)
    for at in range(30):
        index.see(signs_of([f"text {at} {n} of words that come and go {at * n}" for n in range(50)]))
        sketch.add(f"{at} {n}" for n in range(50))
    assert (index.seen, len(index.kept())) == (1_500, 100)
    assert len(sketch._kept) == len(sketch._heap) == 16
