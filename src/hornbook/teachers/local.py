"""A GGUF model in process, through llama.cpp: the embedded teacher."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.teachers.layout import WINDOW_SECONDS, Layout, choose, cores, layouts, memory_limit, worth_measuring
from hornbook.teachers.llama import Copy, Left, bound_by, machine
from hornbook.teachers.shaping import shape
from hornbook.teachers.spec import TeacherSpec

PROBE_SECONDS = 0.8
"""How long each layout is measured; 100 tokens at the slowest rate worth having."""
DRAIN_SECONDS = 5.0
"""How long replies under way are waited for before threads are measured again. Then they are left and
begun anew: at 5 tokens/s, waiting for eight halves of a story would take minutes."""


class Local:
    """A model in this process, with `copies` × `slots` replies written side by side.

    Blocking calls run in threads; a cancelled or late request is left at its next token. Requests with
    equal keys get equal replies, because the seed is made from the key; llama.cpp promises no more
    than that, but on one processor type its replies did not depend on what else was being written.

    Args:
        spec: slots, context, threads, copies, timeout.
        path: the .gguf file.
        name: in request keys, with the digest of the weights.
        log: told which layout was chosen.
    """

    def __init__(self, spec: TeacherSpec, path: Path, name: str, log: Callable[[str], None]) -> None:
        self.name = name
        self.context = spec.context
        self.layout = Layout(1, 1)
        self.rate = 0.0
        self._spec = spec
        self._path = path
        self._log = log
        self._tried = self._possible()
        self.concurrency = self._tried[-1].copies * spec.slots
        self._copies: list[Copy] = []
        self._pool: ThreadPoolExecutor | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._leaving = threading.Event()
        self._moving = threading.Event()
        self._laying = threading.Lock()
        self._active = self._fewest = self._tokens = 0

    async def __aenter__(self) -> Self:
        """Load the model and measure how it is best laid over the processor.

        Raises:
            HornbookError: it cannot be loaded.
        """
        self._leaving.clear()
        await asyncio.to_thread(self._settle)
        self._pool = ThreadPoolExecutor(self._tried[-1].copies * self._spec.slots, "local-teacher")
        self._open.set()
        self._idle.set()
        if len(self._tried) > 1:
            self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)
        await asyncio.to_thread(self._end)

    async def ask(self, request: Request) -> Raw:
        """Write one reply.

        Raises:
            TeacherError: refused, too long for the context, or late.
        """
        try:
            chat, body = self._body(request)
        except TypeError as error:
            raise TeacherError(f"the request cannot be sent: {error}", kind="rejected", retry=False) from error
        bound = request.schema is not None
        left = threading.Event()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._spec.timeout):
                while True:
                    await self._open.wait()
                    try:
                        return Raw(await asyncio.shield(self._start(chat, body, left, bound)), time.monotonic() - began)
                    except Left:
                        if self._leaving.is_set():
                            raise
        except TimeoutError as error:
            raise TeacherError(f"no reply within {self._spec.timeout:g} s with {self.layout}") from error
        finally:
            left.set()

    def _start(self, chat: bool, body: dict[str, Any], left: threading.Event, bound: bool) -> asyncio.Future[bytes]:
        """Begin to write in the copy that has least to do."""
        if self._pool is None:
            raise RuntimeError("the teacher is not open: use `async with`")
        if not self._copies:
            raise HornbookError("the local model could not be loaded again", where=str(self._path), fix="run again")
        copy = min(self._copies, key=lambda one: one.outstanding)
        copy.outstanding += 1
        self._active += 1
        self._idle.clear()

        def stop() -> bool:
            return left.is_set() or self._moving.is_set() or self._leaving.is_set()

        work = asyncio.get_running_loop().run_in_executor(self._pool, copy.ask, chat, body, stop, self._heard, bound)
        work.add_done_callback(lambda done: self._done(copy, done))
        return work

    def _body(self, request: Request) -> tuple[bool, dict[str, Any]]:
        """Whether it is a chat, and the body in llama.cpp's words."""
        chat, body = shape(request, self._spec.api)
        body.pop("response_format", None)
        if request.schema is not None:
            body |= bound_by(dict(request.schema))
        if "repetition_penalty" in body:
            body["repeat_penalty"] = body.pop("repetition_penalty")
        body.setdefault("seed", int(request.key()[:8], 16) & 0x7FFFFFFF)
        return chat, body

    def _done(self, copy: Copy, work: asyncio.Future[bytes]) -> None:
        if not work.cancelled():
            work.exception()
        copy.outstanding -= 1
        self._active -= 1
        self._fewest = min(self._fewest, self._active)
        if not self._active:
            self._idle.set()

    def _heard(self) -> None:
        self._tokens += 1

    def _possible(self) -> list[Layout]:
        spec = self._spec
        memory, other = machine()
        memory = min(memory, memory_limit() or memory)
        threads = None if spec.threads == "auto" else spec.threads
        copies = None if spec.copies == "auto" else spec.copies
        if other:
            return [Layout(copies or 1, threads or cores())]
        return layouts(cores(), memory, self._path.stat().st_size, threads, copies)

    def _settle(self) -> None:
        """Choose a layout and take it; blocks."""
        with self._laying:
            layout, rate = choose(self._tried, self._measure)
            self._resize(layout)
        self.layout, self.rate = layout, rate
        self.concurrency = layout.copies * self._spec.slots
        measured = f", {rate:.0f} tokens/s measured" if rate else ""
        self._log(f"local teacher: {layout.copies} × {layout.threads} threads, {self.concurrency} slots{measured}")

    def _measure(self, layout: Layout) -> float:
        """Tokens/s of a layout with all slots writing; blocks."""
        self._resize(layout)
        with ThreadPoolExecutor(layout.copies) as pool:
            counts = pool.map(lambda copy: copy.probe(PROBE_SECONDS, self._spec.slots), self._copies)
            return sum(counts, 0.0) / PROBE_SECONDS

    def _resize(self, layout: Layout) -> None:
        """Have exactly these copies; blocks."""
        if self._copies and layout.threads != self.layout.threads:
            self._drop(0)
        self._drop(layout.copies)
        while len(self._copies) < layout.copies:
            self._copies.append(Copy(self._path, layout.threads, self._spec.slots, self._spec.context))
        self.layout = layout

    def _end(self) -> None:
        with self._laying:
            self._drop(0)

    def _drop(self, keep: int) -> None:
        while len(self._copies) > keep:
            self._copies.pop().close()

    async def _watch(self) -> None:
        """Choose again when the rate has fallen, or when a smaller layout has stood for long."""
        chosen, best = time.monotonic(), self.rate
        while True:
            self._tokens, self._fewest = 0, self._active
            began = time.monotonic()
            await asyncio.sleep(WINDOW_SECONDS)
            if self._fewest < self.concurrency // 2:
                continue
            rate = self._tokens / (time.monotonic() - began)
            if worth_measuring(self.layout, self._tried, rate, best, time.monotonic() - chosen):
                self._log(f"local teacher: {rate:.0f} tokens/s where it was {best:.0f}; measuring again")
                await self._again()
                chosen, best = time.monotonic(), self.rate
            best = max(best, rate)

    async def _again(self) -> None:
        """Let what is nearly written be ended, leave the rest to be begun again, choose anew, go on."""
        self._open.clear()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), DRAIN_SECONDS)
            self._moving.set()
            await self._idle.wait()
            await asyncio.to_thread(self._settle)
        finally:
            self._moving.clear()
            self._open.set()
