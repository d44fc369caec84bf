"""Executors: one primitive, `map(task, items)`, in this process or in several.

A task is a module-level function; an item is a small value that names work by path. Results come as
they are ready. All executors run the same stage code and give the same bytes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from hornbook.core.errors import HornbookError

T = TypeVar("T")


class Executor(Protocol):
    """Runs tasks over items, `workers` of them at a time."""

    @property
    def workers(self) -> int: ...

    def map(self, task: Callable[[Any], T], items: Iterable[Any], *, threads: bool = False) -> Iterator[T]:
        """Results in order of completion. An item's exception is raised when its turn comes.

        Args:
            task, items: what to do with what.
            threads: the work releases the interpreter's lock, so threads do as well as processes, and begin at once.
        """
        ...


class Inline:
    """The reference: one item after another, in this process."""

    workers = 1

    def map(self, task: Callable[[Any], T], items: Iterable[Any], *, threads: bool = False) -> Iterator[T]:
        """Results in the order of the items."""
        for item in items:
            yield task(item)


class Pool:
    """Worker processes, started when there is a second item to run. Use as a context manager.

    Args:
        workers: processes; 1 is the same as `Inline`.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown()
        if self._pool is None:
            return
        if kind is not None:  # what they do now is lost anyway, and may take minutes
            for child in multiprocessing.active_children():
                child.kill()
        self._pool.shutdown(cancel_futures=True)

    def map(self, task: Callable[[Any], T], items: Iterable[Any], *, threads: bool = False) -> Iterator[T]:
        """Results as they are ready; at most two items a worker are handed out ahead.

        Raises:
            HornbookError: a worker died (killed, out of memory).
        """
        todo = list(items)
        if len(todo) < 2 or self.workers < 2:
            yield from Inline().map(task, todo)
            return
        if threads:
            yield from self._in_threads(task, todo)
            return
        try:
            yield from self._processes(task, todo)
        except BrokenProcessPool as error:
            self._pool = None
            raise HornbookError(
                "a worker process died, most likely killed for want of memory",
                fix="run again to resume; --workers 1 needs the least memory",
            ) from error

    def _processes(self, task: Callable[[Any], T], todo: list[Any]) -> Iterator[T]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin_worker)
        pool = self._pool

        def submit(item: Any) -> Future[T]:
            with _deaf():
                return pool.submit(task, item)

        yield from _as_ready(submit, todo, 2 * self.workers)

    def _in_threads(self, task: Callable[[Any], T], todo: list[Any]) -> Iterator[T]:
        if self._threads is None:  # kept: memory that an ended thread has freed is not used by the next one
            self._threads = ThreadPoolExecutor(self.workers)
        pool = self._threads
        try:
            yield from _as_ready(lambda item: pool.submit(task, item), todo, 2 * self.workers)
        except BaseException:
            self._threads = None
            pool.shutdown(cancel_futures=True)
            raise


def _as_ready(submit: Callable[[Any], Future[T]], todo: list[Any], ahead: int) -> Iterator[T]:
    """Results as they are ready, with so many items handed out at a time."""
    pending: set[Future[T]] = set()
    left = iter(todo)
    more = True
    while more or pending:
        while more and len(pending) < ahead:
            try:
                pending.add(submit(next(left)))
            except StopIteration:
                more = False
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes begun in here never hear Ctrl-C or SIGTERM, not even while Python starts: the parent does.

    The parent hears after the block what came during it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it: a worker must not outlive a killed run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)
