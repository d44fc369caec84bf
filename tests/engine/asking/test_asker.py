"""Laws of asking: each request once, bounded, out of order, nothing that arrived is lost, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import BudgetStop, HornbookError
from hornbook.engine.asking import Asker
from hornbook.engine.budget import Governor
from hornbook.store.journal import Journal, JournalWriter
from hornbook.teachers.prices import Band, Tariff

USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":5}'
GOOD = b'{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}],' + USAGE + b"}"
EMPTY = GOOD.replace(b"yes", b" ")


class Scripted:
    """Does with each prompt what it is told: a list of acts, one a try; the last is repeated.

    Acts: good, empty, fail (try again), never (do not), busy (at once again), slow (3 s), bug.
    """

    def __init__(self, acts: dict[str, list[str]], concurrency: int) -> None:
        self.name, self.context, self.concurrency = "scripted", 0, concurrency
        self.acts = acts
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0
        self.order: list[str] = []
        self.journal: Journal | None = None
        self.unannounced: list[str] = []

    async def ask(self, request: Request) -> Raw:
        if self.journal is not None and self.journal.request(request.key()) is None:
            self.unannounced.append(request.prompt)
        acts = self.acts.get(request.prompt, ["good"])
        act = acts[min(self.asked[request.prompt], len(acts) - 1)]
        self.asked[request.prompt] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(3.0 if act == "slow" else 0)
        finally:
            self.now -= 1
        if act in ("good", "slow"):
            self.order.append(request.prompt)
            return Raw(GOOD, 0.1)
        if act == "empty":
            return Raw(EMPTY, 0.1)
        if act == "bug":
            raise ZeroDivisionError("a fault of the teacher")
        raise TeacherError(
            act, kind="rejected" if act == "never" else "transport", retry=act != "never", busy=act == "busy"
        )


def requests(names):
    return iter([Request("m", prompt=name) for name in names])


def ask(folder, teacher, names, *, governor=None, price=None, seen=None, cancel=None):
    """One execution: its tally, or the error it ended with."""

    async def main():
        reader = Journal(folder)
        teacher.journal = reader
        with JournalWriter(folder) as writer:
            asker = Asker(teacher, reader, writer, governor or Governor(), price or Tariff(), lambda t: None, seen=seen)
            task = asyncio.create_task(asker.ask_all(requests(names)))
            if cancel is not None:
                await asyncio.sleep(cancel)
                task.cancel()
            try:
                return await task
            except (HornbookError, asyncio.CancelledError, ZeroDivisionError) as error:
                return error
            finally:
                reader.close()

    return asyncio.run(main())


def answered(folder) -> set[str]:
    journal = Journal(folder)
    found = {str(journal.request(key)["prompt"]) for key in list(journal.keys())}
    journal.close()
    return found


NAMES = st.lists(st.sampled_from([f"p{n}" for n in range(30)]), max_size=60)
ACTS = st.dictionaries(
    st.sampled_from([f"p{n}" for n in range(30)]),
    st.sampled_from(
        [["good"], ["busy", "good"], ["busy", "busy", "busy", "busy", "busy", "busy", "busy", "good"], ["never"]]
    ),
    max_size=4,
)


@given(NAMES, ACTS, st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_each_request_is_asked_once_and_ends_once(tmp_path_factory, names, acts, concurrency):
    folder = tmp_path_factory.mktemp("journal")
    teacher = Scripted(acts, concurrency)
    tally = ask(folder, teacher, names)
    failing = {name for name in set(names) if acts.get(name) == ["never"]}
    assert not isinstance(tally, BaseException)
    assert (tally.answered, tally.failed) == (len(set(names) - failing), len(failing))
    assert tally.answered + tally.failed + tally.cached == len(names)
    assert teacher.most <= concurrency
    assert teacher.unannounced == [], "a request was sent before its intent was on disk"
    for name in set(names):
        assert teacher.asked[name] == len(acts.get(name, ["good"])), "asked as often as it took, and no more"
    assert answered(folder) == set(names) - failing
    again = ask(folder, Scripted({}, concurrency), names)
    assert (again.asked, again.cached) == (0, len(names)), "tombstones too are asked no more"


def test_a_slow_request_delays_no_other(tmp_path):
    names = [f"p{n}" for n in range(400)]
    teacher = Scripted({"p3": ["slow"]}, 4)
    ask(tmp_path, teacher, names)
    assert teacher.order[-1] == "p3"
    assert teacher.order.index("p399") < teacher.order.index("p3")


def test_a_retry_that_waits_holds_no_slot(tmp_path):
    """With one slot, the others are asked while the first waits for its second try."""
    teacher = Scripted({"p0": ["fail", "good"]}, 1)
    tally = ask(tmp_path, teacher, [f"p{n}" for n in range(50)])
    assert teacher.order[-1] == "p0"
    assert (tally.answered, tally.retries) == (50, 1)


def test_a_failure_is_a_row_and_is_asked_again_only_where_it_never_arrived(tmp_path, monkeypatch):
    monkeypatch.setattr("hornbook.engine.asking.window.FIRST_WAIT", 0.001)
    teacher = Scripted({"p0": ["fail"], "p1": ["never"], "p2": ["empty"]}, 4)
    tally = ask(tmp_path, teacher, [f"p{n}" for n in range(20)])
    assert (tally.answered, tally.failed) == (18, 2)
    assert tally.errors == {"empty": 1, "rejected": 1, "transport": 1}
    assert teacher.asked["p0"] == 6
    journal = Journal(tmp_path)
    key = Request("m", prompt="p2").key()
    assert journal.find([key])[key].verdict == "empty", "what a reply was worth can be found by its class"
    journal.close()
    second = Scripted({}, 4)
    ask(tmp_path, second, [f"p{n}" for n in range(20)])
    assert second.asked == Counter({"p0": 1})


@pytest.mark.parametrize("act", ["never", "empty"])
def test_when_most_fail_the_run_stops_and_says_why(tmp_path, act):
    teacher = Scripted({f"p{n}": [act] for n in range(10_000)}, 8)
    error = ask(tmp_path, teacher, [f"p{n}" for n in range(10_000)])
    assert isinstance(error, HornbookError)
    assert "requests failed" in str(error)
    assert sum(teacher.asked.values()) < 200


def test_a_teacher_that_dies_after_long_good_work_is_noticed(tmp_path):
    teacher = Scripted({f"p{n}": ["never"] for n in range(3000, 9000)}, 8)
    error = ask(tmp_path, teacher, [f"p{n}" for n in range(9000)])
    assert isinstance(error, HornbookError)
    assert sum(teacher.asked.values()) < 3400, "what was good long ago does not hide it"


@pytest.mark.parametrize("act", ["bug", "slow"])
def test_a_teachers_own_fault_and_a_cancelled_run_keep_what_arrived(tmp_path, act):
    names = [f"p{n}" for n in range(5000)]
    teacher = Scripted({"p2000": [act] * 9} if act == "bug" else {}, 8)
    error = ask(tmp_path, teacher, names, cancel=0.15 if act == "slow" else None)
    assert isinstance(error, ZeroDivisionError if act == "bug" else asyncio.CancelledError)
    assert set(teacher.order) <= answered(tmp_path), "a reply that had arrived is not on disk"
    again = Scripted({}, 8)
    assert ask(tmp_path, again, names).answered == 5000 - len(teacher.order)
    assert not set(again.order) & set(teacher.order)


def test_the_budget_stops_and_goes_on(tmp_path):
    price = Tariff((Band(0, 0.0, 1e6),))
    names = [f"p{n}" for n in range(100)]
    error = ask(tmp_path, Scripted({}, 4), names, governor=Governor(usd=700.0), price=price)
    assert isinstance(error, BudgetStop)
    first = answered(tmp_path)
    assert 0 < len(first) * 5 <= 700, "5 dollars a reply"
    second = Scripted({}, 4)
    assert ask(tmp_path, second, names).answered == 100 - len(first)
    assert not set(second.order) & first


def test_replies_of_use_are_handed_on_with_their_request(tmp_path):
    heard = []
    ask(
        tmp_path,
        Scripted({"p1": ["empty"]}, 4),
        ["p0", "p1", "p2"],
        seen=lambda r, reply: heard.append((r.prompt, reply.text)),
    )
    assert sorted(heard) == [("p0", "yes"), ("p2", "yes")]


def test_the_stream_is_read_no_further_than_the_window(tmp_path):
    """Two windows: as many in flight as there are slots, and as many ready before them."""
    taken = 0

    def stream():
        nonlocal taken
        for n in range(1000):
            taken += 1
            yield Request("m", prompt=f"p{n}")

    class Stuck(Scripted):
        async def ask(self, request):
            await asyncio.sleep(3600)

    async def main():
        reader = Journal(tmp_path)
        with JournalWriter(tmp_path) as writer:
            asker = Asker(Stuck({}, 16), reader, writer, Governor(), Tariff(), lambda t: None)
            task = asyncio.create_task(asker.ask_all(stream()))
            await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            reader.close()

    asyncio.run(main())
    assert 16 <= taken <= 2 * 16


def test_a_journal_that_cannot_be_written_ends_the_run_and_says_so(tmp_path):
    class Full(JournalWriter):
        def put(self, batch):
            import sqlite3
            from concurrent.futures import Future

            done = Future()
            if batch.answers:
                done.set_exception(sqlite3.OperationalError("database or disk is full"))
                return done
            return super().put(batch)

    async def main():
        reader = Journal(tmp_path)
        with Full(tmp_path) as writer:
            asker = Asker(Scripted({}, 4), reader, writer, Governor(), Tariff(), lambda t: None)
            try:
                await asker.ask_all(requests([f"p{n}" for n in range(100)]))
            finally:
                reader.close()

    began = time.monotonic()
    with pytest.raises(HornbookError, match="disk is full"):
        asyncio.run(main())
    assert time.monotonic() - began < 20
