"""The journal's writer in a process of its own: what it says is committed is on disk, whoever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hornbook.core.asking import Raw, Request
from hornbook.store.journal import Batch, Journal, JournalProcess
from tests.commands import ROOT


def request(number: int) -> Request:
    return Request("model", prompt=f"prompt {number}")


def answers(numbers: range, body: bytes = b"yes") -> Batch:
    return Batch(
        intents=[(request(n).key(), request(n).canonical()) for n in numbers],
        answers=[(request(n).key(), Raw(body, 0.5)) for n in numbers],
    )


def held(folder: Path) -> set[str]:
    journal = Journal(folder)
    try:
        return set(journal.keys())
    finally:
        journal.close()


def test_what_is_said_to_be_committed_can_be_read_at_once(tmp_path):
    async def write() -> list[tuple[int, int]]:
        async with JournalProcess(tmp_path) as writer:
            numbers = []
            for n in range(0, 300, 100):
                numbers.append(await asyncio.wrap_future(writer.put(answers(range(n, n + 100)))))
                assert len(held(tmp_path)) == n + 100
            failed = Batch(failures=[("ab" * 16, "refusal", "no")], verdicts=[(request(0).key(), "parse", "bad")])
            await asyncio.wrap_future(writer.put(failed))
            return numbers

    assert asyncio.run(write()) == [(1, 100), (101, 200), (201, 300)]
    journal = Journal(tmp_path)
    assert journal.counts()["replies"] == 300
    assert journal.counts()["failed"] == 1
    assert journal.find([request(0).key()])[request(0).key()].verdict == "parse"
    journal.close()


def test_a_batch_larger_than_any_pipe_goes_through(tmp_path):
    body = os.urandom(2**16)

    async def write() -> None:
        async with JournalProcess(tmp_path) as writer:
            writer.put(answers(range(200), body))

    asyncio.run(write())
    journal = Journal(tmp_path)
    found = journal.find([request(n).key() for n in range(200)])
    assert {entry.raw.body for entry in found.values() if entry.raw} == {body}
    assert len(found) == 200
    journal.close()


def test_leaving_writes_all_that_was_put(tmp_path):
    async def write() -> None:
        async with JournalProcess(tmp_path) as writer:
            for n in range(50):
                writer.put(answers(range(n, n + 1)))

    asyncio.run(write())
    assert len(held(tmp_path)) == 50


def test_where_it_cannot_begin_it_says_why(tmp_path):
    (tmp_path / "file").write_text("")

    async def write() -> None:
        async with JournalProcess(tmp_path / "file" / "journal"):
            pass

    with pytest.raises(OSError, match=r"(?i)not a directory|file exists"):
        asyncio.run(write())


def test_where_it_dies_whoever_waits_is_told_and_what_was_committed_stays(tmp_path):
    async def write() -> None:
        async with JournalProcess(tmp_path) as writer:
            await asyncio.wrap_future(writer.put(answers(range(10))))
            os.kill(writer._child.pid, signal.SIGKILL)
            waiting = [writer.put(answers(range(n, n + 1))) for n in range(10, 20)]
            for done in waiting:
                with pytest.raises(OSError, match=r"ended|pipe|Pipe"):
                    await asyncio.wait_for(asyncio.wrap_future(done), 10)

    asyncio.run(write())
    assert held(tmp_path) >= {request(n).key() for n in range(10)}


ENDLESS = """
import asyncio, sys
from pathlib import Path
from hornbook.store.journal import JournalProcess
from tests.store.test_journal_apart import answers

async def write():
    async with JournalProcess(Path(sys.argv[1])) as writer:
        for n in range(10**9):
            await asyncio.wrap_future(writer.put(answers(range(8 * n, 8 * n + 8))))
            print(8 * n + 8, flush=True)

asyncio.run(write())
"""


@pytest.mark.parametrize("at", [40, 137, 400])
def test_after_a_kill_nothing_that_was_acknowledged_is_lost_and_the_writer_ends_by_itself(tmp_path, at):
    child = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
    )
    assert child.stdout is not None
    said = 0
    while said < at:
        said = int(child.stdout.readline())
    child.kill()
    said = max([said, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    assert held(tmp_path) >= {request(n).key() for n in range(said)}

    async def go_on() -> Path:
        async with JournalProcess(tmp_path) as writer:
            return writer.path

    until = time.monotonic() + 10
    while asyncio.run(go_on()).name != "writer-0000.sqlite":  # the old writer has let go of its file
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(held(tmp_path)) % 8 == 0, "a batch is written whole or not at all"
