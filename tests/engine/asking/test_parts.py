"""Laws of the parts of asking: what waits, what stops, what gathers."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Request
from hornbook.engine.asking.recorder import UNDER_WAY, Recorder
from hornbook.engine.asking.tally import LOOKED_AT, WINDOW, Breaker
from hornbook.engine.asking.window import LONGEST_WAIT, Job, Waiting
from hornbook.store.journal import Batch


def job(n: int, attempt: int = 1) -> Job:
    return Job(str(n), Request("m", prompt=str(n)), attempt=attempt)


@given(st.lists(st.tuples(st.sampled_from(["ready", "late", "next", "wait"]), st.integers(1, 8)), max_size=80))
def test_every_job_comes_out_once_and_none_before_its_time(acts):
    now = [0.0]
    waiting = Waiting(lambda: now[0])
    put: list[str] = []
    out: list[str] = []
    due: dict[str, float] = {}
    for number, (what, amount) in enumerate(acts):
        if what == "ready":
            waiting.ready.append(job(number))
            put.append(str(number))
        elif what == "late":
            waiting.later(job(number, amount), at_least=0.0)
            put.append(str(number))
            due[str(number)] = now[0] + min(LONGEST_WAIT, 0.5 * 2 ** (amount - 1) * 0.8)
        elif what == "wait":
            now[0] += amount
        elif (found := waiting.next()) is not None:
            out.append(found.key)
            assert due.get(found.key, 0.0) <= now[0] + 1e-9
    now[0] += 2 * LONGEST_WAIT
    while (found := waiting.next()) is not None:
        out.append(found.key)
    assert sorted(out) == sorted(put)
    assert len(waiting) == 0
    assert waiting.due() is None


@given(st.lists(st.sampled_from([None, None, "parse", "transport"]), max_size=600))
def test_the_breaker_opens_exactly_when_most_of_the_last_failed(ends):
    breaker = Breaker("t")
    for at, error in enumerate(ends):
        last = ends[max(0, at + 1 - WINDOW) : at + 1]
        bad = sum(e is not None for e in last)
        stop = breaker.heard(error, "why")
        assert (stop is not None) == (error is not None and bad >= LOOKED_AT and bad > len(last) / 2)


class Slow:
    """A journal whose commits end when it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[Batch, Future[tuple[int, int]]]] = []

    def put(self, batch: Batch) -> Future[tuple[int, int]]:
        self.batches.append((batch, Future()))
        return self.batches[-1][1]


def test_a_few_batches_are_under_way_and_what_comes_meanwhile_is_the_next():
    async def main():
        slow, landed = Slow(), []
        recorder = Recorder(slow, lambda batch, numbers: landed.append([k for k, _, _ in batch.failures]), None)

        async def put(*names: str) -> None:
            for name in names:
                recorder.batch.failures.append((name, "x", ""))
                recorder.touch()
            await asyncio.sleep(0.01)

        def sizes() -> list[int]:
            return [len(batch.failures) for batch, _ in slow.batches]

        await put("a0", "a1", "a2")
        assert sizes() == [3], "what a turn of the loop brings is one batch"
        for n in range(1, UNDER_WAY):
            await put(f"b{n}")
        for n in range(5):
            await put(f"c{n}")
        assert sizes() == [3] + [1] * (UNDER_WAY - 1)
        assert not recorder.idle
        slow.batches[0][1].set_result((0, 0))
        await asyncio.sleep(0.01)
        assert sizes() == [3] + [1] * (UNDER_WAY - 1) + [5]
        assert landed == [["a0", "a1", "a2"]]
        for _, done in slow.batches[1:]:
            done.set_result((0, 0))
        await asyncio.sleep(0.01)
        assert recorder.idle
        recorder.batch.verdicts.append(("k", "parse", ""))
        assert recorder.idle, "a verdict waits for the next batch"
        assert landed[1:] == [[f"b{n}"] for n in range(1, UNDER_WAY)] + [[f"c{n}" for n in range(5)]]

    asyncio.run(main())
