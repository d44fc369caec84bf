"""Requests that follow from replies: one chain a row, each request once, replayed from what was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Ask
from hornbook.engine.chains import Chains, chained, follow


class Book(Ask):
    """Writes an outline of `sections` sections, then each section after the one before."""

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        for row in piece.to_pylist():
            yield Request(model, prompt=f"outline of {row['title']}")

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        if replies[-1].error is not None or len(replies) > row["sections"]:
            return None
        return Request("m", prompt=f"section {len(replies)} after {replies[-1].text}")

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        return pa.table({"text": [reply.text for reply in replies]})


class Endless(Book):
    def again(self, row, asked, replies):
        return asked[-1]


BOOKS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=12)
FAILS = st.sets(st.integers(0, 40))


def written(request: Request, fails: set[int], number: int) -> Reply:
    if number in fails:
        return Reply(request.key(), error="refusal", detail="no")
    return Reply(request.key(), text=f"<{request.prompt}>")


def rows_of(books):
    piece = pa.table({"title": [b[0] for b in books], "sections": pa.array([b[1] for b in books], pa.int64())})
    return list(zip(piece.to_pylist(), Book().ask(piece, "m"), strict=True))


def ask_all(rows, journal, fails, order, most=10**9):
    """A teacher that answers in any order; how many requests it was sent."""
    chains = Chains(Book(), {"max_tokens": 9}, lambda keys: {k: journal[k] for k in keys if k in journal})
    ready, sent = [], 0
    for row, request in rows:
        chains.begin(request, row)
        known = journal.get(request.key())
        if known is not None:
            ready += chains.after(known)
        elif request.key() not in {key for key, _ in ready}:
            ready.append((request.key(), request))
    while ready and sent < most:
        key, request = ready.pop(order.randrange(len(ready)))
        assert key not in journal, "nothing is asked twice"
        journal[key] = written(request, fails, len(journal))
        sent += 1
        ready += chains.after(journal[key])
    return sent


@settings(max_examples=300, deadline=None)
@given(BOOKS, FAILS, st.randoms(use_true_random=False), st.integers(0, 30))
def test_whatever_the_order_and_wherever_it_is_cut_the_replay_is_whole(books, fails, order, cut):
    rows, journal = rows_of(books), {}
    params = {"max_tokens": 9}

    def look(keys):
        return {key: journal[key] for key in keys if key in journal}

    first = ask_all(rows, journal, fails, order, most=cut)
    _, lacking = follow(Book(), rows, params, look)
    second = ask_all(rows, journal, fails, order)
    assert bool(second) == bool(lacking)
    assert first + second == len(journal)
    ended, lacking = follow(Book(), rows, params, look)
    assert lacking == []
    for (row, _), reply in zip(rows, ended, strict=True):
        assert reply is not None
        assert reply.error is not None or len(reply.before) == row["sections"]
        assert all(earlier.error is None for earlier in reply.before)
    assert ask_all(rows, journal, fails, order) == 0


def test_a_transport_failure_ends_the_row_and_is_asked_again_another_time():
    rows = rows_of([("a", 3)])
    journal = {rows[0][1].key(): Reply(rows[0][1].key(), error="transport")}
    ended, lacking = follow(Book(), rows, {}, lambda keys: {k: journal[k] for k in keys})
    assert [reply.error for reply in ended] == ["transport"]
    assert lacking == [rows[0][1].key()]


def test_the_teachers_parameters_go_into_every_request():
    (row, request), chains = rows_of([("a", 1)])[0], Chains(Book(), {"temperature": 0.5}, lambda keys: {})
    chains.begin(request, row)
    ((_, more),) = chains.after(Reply(request.key(), text="x"))
    assert more.params == {"temperature": 0.5}


def test_a_stage_that_never_ends_is_stopped():
    row, request = rows_of([("a", 1)])[0]
    with pytest.raises(HornbookError, match="the same thing twice"):
        follow(Endless(), [(row, request)], {}, lambda keys: {k: Reply(k, text="x") for k in keys})


def test_a_stage_that_asks_once_is_not_chained():
    assert chained(Book())
    plain = type("Plain", (Book,), {"again": Ask.again})
    assert not chained(plain())
