"""Values cross as they are: exact types, shared and cyclic structure, changes in place; hostile bytes build nothing."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import os
import pathlib
import socket
import uuid
from collections import Counter, OrderedDict, defaultdict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.sandbox.codec import DEEPEST, KEPT, Codec
from hornbook.sandbox.wire import LONGEST, Gone, Line, TooMuch


def refused(*_: object) -> list[object]:
    raise Gone("no data")


def pair() -> tuple[Codec, Codec]:
    return Codec(1, refused, refused), Codec(-1, refused, refused)


def across(one: Codec, other: Codec, *values: object) -> list[object]:
    return other.unpack(json.loads(json.dumps(one.pack(list(values), False))))


ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("\ud83d\ude00\udfff\x00\u202e"), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-9, 9).map(lambda n: (n << 3000) + n)
    | st.floats()
    | ANY_TEXT
    | st.binary(max_size=5)
    | st.complex_numbers()
    | st.decimals(allow_nan=False)
    | st.just(decimal.Decimal("NaN"))
    | st.fractions()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from(
        [range(3), range(5, 1, -2), slice(1, None), ..., NotImplemented, int, ValueError.__mro__[-1], dict]
    )
)
HASHED = st.recursive(
    SCALARS.filter(lambda v: type(v) is not slice),
    lambda s: st.tuples(s, s) | st.frozensets(s, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    HASHED | SCALARS,
    lambda s: (
        st.lists(s, max_size=4)
        | st.tuples(s, s)
        | st.dictionaries(HASHED, s, max_size=3)
        | st.sets(HASHED, max_size=3)
        | st.lists(s, max_size=3).map(lambda v: deque(v, 5))
        | st.dictionaries(HASHED, s, max_size=3).map(OrderedDict)
        | st.dictionaries(HASHED, s, max_size=3).map(lambda d: defaultdict(list, d))
        | st.dictionaries(ANY_TEXT, st.integers(), max_size=3).map(Counter)
        | st.binary(max_size=4).map(bytearray)
    ),
    max_leaves=8,
)


def form(value: object) -> object:
    """A value with its types all the way down; nan is like nan, -0.0 is not like 0.0, sets have no order."""
    kind = type(value).__name__
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(form(each)) for each in value)
    if isinstance(value, dict):
        return kind, [(form(key), form(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple, deque)):
        return kind, getattr(value, "maxlen", None), [form(each) for each in value]
    return kind, repr(value)


@given(VALUES)
@settings(max_examples=80, deadline=None)
def test_a_value_comes_as_it_went_and_back_as_itself(value: object) -> None:
    one, other = pair()
    (there,) = across(one, other, value)
    assert form(value) == form(there)
    (back,) = across(other, one, there)
    assert form(value) == form(back)
    if isinstance(value, (list, dict, set, bytearray, deque)):
        assert back is value


@given(st.lists(st.lists(st.integers() | ANY_TEXT, max_size=4), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_what_the_other_side_changes_in_place_changes_here(lists: list[list[object]], data: st.DataObject) -> None:
    one, other = pair()
    inner = data.draw(st.sampled_from(lists))
    (there,) = across(one, other, lists)
    at = next(k for k, each in enumerate(lists) if each is inner)
    there[at].append(there)
    there.reverse()
    across(other, one, None)
    assert inner[-1] is lists
    assert any(each is inner for each in lists)


def test_shared_and_cyclic_structure_survives() -> None:
    one, other = pair()
    shared = [1]
    loop: dict[str, object] = {"a": shared, "b": (shared, [shared])}
    loop["self"] = loop
    (there,) = across(one, other, loop)
    assert there["self"] is there
    assert there["a"] is there["b"][0] is there["b"][1][0]


def test_a_doubled_tuple_does_not_double_what_is_sent() -> None:
    value: object = ([1],)
    for _ in range(60):
        value = (value, value)
    one, other = pair()
    (there,) = across(one, other, value)
    assert there[0] is there[1]


def test_lists_that_nobody_holds_are_forgotten() -> None:
    one, other = pair()
    for _ in range(50):
        across(other, one, across(one, other, [[1], {2: [3]}])[0] is None)
    assert len(one._shared) + len(other._shared) < 12


def test_a_list_that_is_still_held_stays_the_same_on_both_sides() -> None:
    one, other = pair()
    here = [1]
    (there,) = across(one, other, here)
    for k in range(3):
        there.append(k)
        across(other, one, None)
        here.append(-k)
        across(one, other, None)
    assert here == there == [1, 0, 0, 1, -1, 2, -2]


def test_a_large_list_is_shared_during_the_call_alone() -> None:
    one, other = pair()
    here = list(range(KEPT + 1))
    (there,) = other.unpack(json.loads(json.dumps(one.pack([here], True))))
    there[0] = "new"
    one.unpack(json.loads(json.dumps(other.pack([None], True))))
    assert here[0] == "new"
    assert one._shared == other._shared == {}


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_deep_values_are_refused_and_leave_no_trace(kind: type) -> None:
    value: object = 1
    for _ in range(20_000):
        value = [value] if kind is list else (value,) if kind is tuple else {1: value}
    one, _ = pair()
    with pytest.raises(TooMuch, match=str(DEEPEST)):
        one.pack([value], True)
    assert one._shared == {}
    while value != 1:
        value = value[0] if kind is not dict else value[1]


def test_a_tuple_that_contains_itself_is_refused() -> None:
    inner: list[object] = []
    value = (inner,)
    inner.append(value)
    with pytest.raises(TooMuch, match="itself"):
        pair()[0].pack([value], True)


def test_standard_values_keep_their_exact_type() -> None:
    values = [
        decimal.Decimal("-0E+3"), decimal.Decimal("sNaN"), fractions.Fraction(1, 3), uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"), datetime.time(1, 2, fold=1), {1: 2}.keys(), {1: 2}.items(),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")),
    ]  # fmt: skip
    there = across(*pair(), values)[0]
    assert [type(v) for v in there] == [type(v) for v in values]
    assert [str(v) for v in there] == [str(v) for v in values]
    assert list(across(*pair(), {1: 2}.values())[0]) == [2]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=3)
    | st.sampled_from(["l", "d", "t", "f", "@", "=", "i", "s", "b", "x", "T", "k", "q", "D", "r", "Decimal", "array"]),
    lambda s: st.lists(s, max_size=5) | st.dictionaries(st.text(max_size=2), s, max_size=2),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(TREES, min_size=3, max_size=3) | TREES)
@settings(max_examples=150, deadline=None)
def test_hostile_trees_build_data_or_end_the_talk(tree: object) -> None:
    _, other = pair()
    try:
        values = other.unpack(tree)
    except Gone:
        return
    assert isinstance(values, list)


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"\0", b"\0\0\0\5[1]", b"\0\0\0\3[1}", b"\0\0\0\1\xff", b"\0\0\0\0",
        (LONGEST + 1).to_bytes(4, "big") + b"[", b"\0\0\0\4[1]]", (200_000).to_bytes(4, "big") + b"[" * 200_000,
        (9000).to_bytes(4, "big") + b"9" * 9000,
    ],
)  # fmt: skip
def test_bytes_that_are_no_frame_end_the_talk(sent: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(sent)
        there.shutdown(socket.SHUT_WR)
        line = Line(here.fileno())
        with pytest.raises(Gone):
            line.receive()
        assert line.gone


def test_frames_come_whole_however_they_are_cut() -> None:
    read, write = os.pipe()
    sent = [[1, "ü" * 9_000], {"a": [0.5, None]}, "x"]
    for tree in sent:
        Line(write).send(tree)
    line = Line(read)
    assert [line.receive() for _ in sent] == sent
    with pytest.raises(TooMuch):
        Line(write).send("x" * (LONGEST + 1))
    os.close(write)
    os.close(read)
