from __future__ import annotations

import difflib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.passages import bound, same
from hornbook.kernels.seeds import LONG, LONG_STEP, SHORT, SHORT_STEP, Index, build, find, telling
from hornbook.kernels.skeleton import Skeletons, squash
from hornbook.kernels.words import texts

ITEM = "afarmerhasseventeensheepandallbutnineofthemrunawayoverthehill"


def made(*said: str) -> Skeletons:
    return squash(*texts(pa.array(said, pa.large_string())))


def every(found: Skeletons, size: int) -> np.ndarray:
    spans = [np.arange(a, b - size + 1) for a, b in zip(found.starts, found.ends, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *spans])


def indexes(*items: str) -> tuple[Skeletons, Index, Index]:
    own = made(*items)
    return own, build(own, every(own, LONG), LONG), build(own, every(own, SHORT), SHORT)


def plainly(items: list[str], documents: list[str], size: int) -> set[tuple[int, int, str]]:
    """(document, position, window): every eighth or fourth window of a document that an item has, by strings alone."""
    step = LONG_STEP if size == LONG else SHORT_STEP
    own = made(*items)
    known = {own.text(at)[i : i + size] for at in range(len(items)) for i in range(len(own.text(at)) - size + 1)}
    found = set()
    given_ = made(*documents)
    for d in range(len(documents)):
        text = given_.text(d)
        found |= {
            (d, i, text[i : i + size]) for i in range(0, len(text) - size + 1, step) if text[i : i + size] in known
        }
    return found


@settings(deadline=None)
@given(
    st.lists(st.text("ab", min_size=0, max_size=60), min_size=1, max_size=4),
    st.lists(st.text("ab", max_size=80), min_size=1, max_size=4),
)
def test_finds_what_strings_find(items: list[str], documents: list[str]) -> None:
    own, long, short = indexes(*items)
    given_ = made(*documents)
    document, position, number = find(given_, long, short)
    hits: dict[int, set[tuple[int, int, str]]] = {LONG: set(), SHORT: set()}
    for d, p, k in zip(document.tolist(), position.tolist(), number.tolist(), strict=True):
        index, seed = (long, k) if k >= 0 else (short, -1 - k)
        window = given_.text(d)[p : p + index.size]
        hits[index.size].add((d, p, window))
        for place in range(int(index.owners[seed]), int(index.owners[seed + 1])):
            at = int(index.positions[place])
            assert own.text(int(index.texts[place]))[at : at + index.size] == window
    assert hits[LONG] == plainly(items, documents, LONG)
    assert hits[SHORT] == plainly(items, documents, SHORT)


@pytest.mark.parametrize("shift", range(8))
def test_a_run_of_31_bytes_is_always_found(shift: int) -> None:
    _, long, short = indexes(ITEM)
    for at in range(len(ITEM) - LONG - LONG_STEP + 2):
        document = "x" * shift + ITEM[at : at + LONG + LONG_STEP - 1] + "zzzz"
        assert (find(made(document), long, short)[2] >= 0).any()


@pytest.mark.parametrize(
    ("window", "tells"),
    [
        (ITEM[:24], True),
        ("012345678901234567890123", False),
        ("0" * 24, False),
        ("return" * 4, False),
        ("ab" * 12, False),
        ("小狐狸在森林里找", True),
        ("a1b2c3d4e5f6a7b8c9d0e1f2", True),
    ],
)
def test_telling(window: str, tells: bool) -> None:
    data = np.frombuffer(window.encode(), np.uint8)
    assert telling(data, np.zeros(1, np.int64), LONG).tolist() == [tells]


def test_set_phrases_are_left_out_and_passages_are_not() -> None:
    phrase = "writeafunctiontofindthenumberof"
    items = [f"{phrase}{c * 20}" for c in "abcdefghijkl"]
    own = made(*items)
    assert build(own, every(own, LONG), LONG, 10).texts.size < build(own, every(own, LONG), LONG).texts.size
    assert not (
        find(made(phrase), build(own, every(own, LONG), LONG, 10), build(own, every(own, SHORT)[:0], SHORT))[2]
    ).size
    passage = "".join(np.random.default_rng(1).choice(list("abcdefghijklmnop"), 200))
    own = made(*[f"{passage}{c * 20}" for c in "qrstuvwxyz0123"])
    kept = build(own, every(own, LONG), LONG, 10)
    assert np.diff(kept.owners).max() == 14


def test_same() -> None:
    one, other = (np.frombuffer(raw, np.uint8) for raw in (b"hello world", b"yellow word"))
    at, to, many = np.array([1, 1, 6]), np.array([1, 1, 7]), np.array([4, 6, 3])
    assert same(one, at, other, to, many).tolist() == [True, False, True]


@settings(deadline=None)
@given(st.text("abc", max_size=120), st.text("abc", max_size=80))
def test_the_bound_is_never_less_than_difflib_finds(window: str, text: str) -> None:
    blocks = difflib.SequenceMatcher(None, window, text, autojunk=False).get_matching_blocks()
    told = [block.size for block in blocks if block.size > 5]
    one, other = (np.frombuffer(each.encode(), np.uint8) for each in (window, text))
    most, longest = bound(one, other)
    assert sum(told) <= most <= len(text)
    assert max(told, default=0) <= longest


def test_the_bound_is_close() -> None:
    one, other = (np.frombuffer(each.encode(), np.uint8) for each in (ITEM, f"zzz{ITEM[10:40]}qqqqqq"))
    assert bound(one, other) == (30, 30)
