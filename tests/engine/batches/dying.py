"""Asking in batches by processes that are killed at a chosen point: before or after the n-th thing they do.

A thing is an HTTP exchange, a piece of a download, a change of the book of batches or a write to the journal.
`python -m tests.engine.batches.dying` reads jobs, a JSON object a line; each is done by processes forked from this
one, which has one thread: one for each of `deaths`, then one that lives. It prints what each came to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from hornbook.core.asking import Request
from hornbook.engine.batches import batching
from hornbook.engine.batches.batching import Batcher
from hornbook.engine.batches.drafts import Desk
from hornbook.engine.budget import Governor
from hornbook.store.intents import Book
from hornbook.store.journal import Batch as Records
from hornbook.store.journal import Journal, JournalWriter
from hornbook.teachers import batch_anthropic, batch_openai
from hornbook.teachers.batches import BatchApi, Limits
from hornbook.teachers.prices import Tariff
from hornbook.teachers.trouble import Answer
from hornbook.teachers.wire import Wire
from tests.commands import ROOT

SIDE_BY_SIDE = 4
SOME = Limits(1000, 10**6)


class Points:
    """Counts points of a process's life and ends it at one of them.

    Args:
        death: which; None for none.
    """

    def __init__(self, death: int | None = None) -> None:
        self.death, self.passed, self.names = death, 0, []

    def __call__(self, name: str) -> None:
        self.passed += 1
        self.names.append(name)
        if self.passed == self.death:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingWire(Wire):
    """HTTP that may be the last a process does."""

    point: Points

    async def _exchange(self, method: str, path: str, *args: Any) -> Answer:
        self.point(f"before {method} {path}")
        answer = await super()._exchange(method, path, *args)
        self.point(f"after {method} {path}")
        return answer

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        self.point(f"before download {path}")
        async for line in super().lines(path):
            yield line
        self.point(f"after download {path}")


class DyingBook(Book):
    """The book, every change of which may be the last."""

    point: Points

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("record", "uploaded", "sending", "created", "unsent", "over"):
            return found

        def change(*args: Any, **named: Any) -> Any:
            self.point(f"before {name}")
            result = found(*args, **named)
            self.point(f"after {name}")
            return result

        return change


class DyingWriter(JournalWriter):
    """The journal, every write of which may be the last."""

    point: Points

    def put(self, batch: Records) -> Future[Any]:
        self.point("before put")
        done = super().put(batch)
        done.result()
        self.point("after put")
        return done


def requests(count: int, label: str, **params: Any) -> list[Request]:
    """Requests that differ from all other labels'."""
    params = {"max_tokens": 20} | params
    return [Request("test", ({"role": "user", "content": f"{label} {n}"},), params=params) for n in range(count)]


def api_of(kind: str, wire: Wire, limits: Limits) -> BatchApi:
    """A provider's API."""
    if kind == "anthropic":
        return batch_anthropic.AnthropicBatches(wire, "test", limits)
    return batch_openai.OpenAIBatches(wire, "test", "auto", limits)


async def drive(
    url: str,
    kind: str,
    journal: Path,
    asked: list[Request],
    *,
    point: Callable[[str], None] | None = None,
    limits: Limits = SOME,
    governor: Governor | None = None,
    tariff: Tariff | None = None,
    settle: float = 0.3,
    at_once: int = 8,
    api: Callable[[BatchApi], BatchApi] = lambda api: api,
    said: list[str] | None = None,
    reader: Journal | None = None,
    heard: Callable[[Any], None] = lambda tally: None,
) -> Any:
    """Ask in batches, with real parts that tell `point` of everything they do."""
    batching.FIRST_LOOK = 0.05
    point = point or Points()
    reader = reader or Journal(journal)
    module = batch_anthropic if kind == "anthropic" else batch_openai
    book, writer = DyingBook(journal), DyingWriter(journal)
    book.point = writer.point = point
    with book, writer:
        wire = DyingWire(f"{url}/v1", module.headers("k"), "k", 20.0)
        wire.point = point
        async with wire:
            desk = Desk(
                api(api_of(kind, wire, limits)),
                book,
                reader,
                writer,
                governor or Governor(),
                (tariff or Tariff()).batched(),
                (said if said is not None else []).append,
            )
            batcher = Batcher(desk, heard, at_once=at_once, longest_wait=0.1, settle=settle)
            try:
                return await batcher.ask_all(iter(asked))
            finally:
                reader.close()


def _live(job: dict[str, Any], death: int | None, told: Path) -> int:
    """One life: in a fork of this process; its exit status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        point = Points(death)
        asked = requests(job["count"], job["label"])
        limits = Limits(job["limit"], 10**6)
        tally = asyncio.run(
            drive(job["url"], job["kind"], Path(job["journal"]), asked, point=point, limits=limits, at_once=2)
        )
        told.write_text(json.dumps({"tally": tally.facts(), "points": point.names}))
        code = 0
    except BaseException:
        told.write_text(json.dumps({"error": traceback.format_exc()}))
    finally:
        os._exit(code)


def _job(job: dict[str, Any]) -> None:
    """All lives of a job."""
    told = Path(job["journal"]).with_suffix(".told")
    statuses = [_live(job, death, told) for death in [*job["deaths"], None]]
    found = json.loads(told.read_text())
    sys.stdout.write(json.dumps({"label": job["label"], "statuses": statuses} | found) + "\n")
    sys.stdout.flush()


def main() -> None:
    running: set[int] = set()
    for line in sys.stdin:
        while len(running) >= SIDE_BY_SIDE:
            running.discard(os.wait()[0])
        child = os.fork()
        if not child:
            _job(json.loads(line))
            os._exit(0)
        running.add(child)
    while running:
        running.discard(os.wait()[0])


def lives(jobs: list[dict[str, Any]], timeout: float = 280.0) -> list[dict[str, Any]]:
    """Do jobs, some side by side; what each came to, in their order."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.batches.dying"],
        cwd=ROOT,
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    found = {row["label"]: row for row in map(json.loads, done.stdout.splitlines())}
    return [found[job["label"]] for job in jobs]


if __name__ == "__main__":
    main()
