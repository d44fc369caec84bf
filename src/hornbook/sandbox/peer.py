"""One side of the talk between a program and the checks of it: asks the other side, and answers it.

Requests nest: while one waits for its reply, it answers what the other side asks meanwhile. Each request has a number,
which its reply repeats.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from hornbook.sandbox.guarding import Guard
from hornbook.sandbox.objects import Objects, attribute
from hornbook.sandbox.operations import RUN
from hornbook.sandbox.wire import Gone, Line, TooMuch

REQUEST, REPLY, FAILURE = 0, 1, 2
_GOES_ON = frozenset(["next", "anext", "finish"])
_GENERATOR = frozenset(["send", "throw", "asend", "athrow", "__next__", "__anext__"])


class Peer:
    """
    Args:
        fd: this side's end of the channel.
        doubts: whether this is the judge, which believes no object's word for its own comparison.
        guard: what the other side may do here; None for all.
        spoken: what was printed here since it was last asked for, as [stream, text] pairs.
        heard: called with what was printed there.
    """

    def __init__(
        self,
        fd: int,
        doubts: bool,
        guard: Guard | None = None,
        spoken: Callable[[], list[Any]] = list,
        heard: Callable[[list[Any]], None] = lambda said: None,
    ) -> None:
        self.line = Line(fd)
        self.doubts = doubts
        self.failed: BaseException | None = None
        self.more: dict[str, Callable[..., Any]] = {}
        self._guard = guard
        self._spoken = spoken
        self._heard = heard
        self._objects = Objects(self, self._guard)
        self._codec = self._objects.codec
        self._lock = threading.RLock()
        self._depth = 0
        self._number = 0

    @property
    def asked(self) -> int:
        """How often something was asked of the other side."""
        return self._number

    # --- asking

    def ask(self, operation: str, *args: Any, **named: Any) -> Any:
        """What the other side's operation gives; its exception is raised here.

        Raises:
            Gone: the other side is not there any more, or does not keep to the form.
            TooMuch: an argument cannot be sent.
        """
        with self._lock:
            self._number += 1
            number = self._number
            body = self._codec.pack([*args, *named.values()], self._depth == 0)
            self.line.send([REQUEST, number, self._spoken(), body, operation, list(named)])
            self._depth += 1
            try:
                kind, value = self._await(number)
            finally:
                self._depth -= 1
        if kind == FAILURE:
            raise self._raised(value, operation, args)
        return value

    def _await(self, number: int) -> tuple[int, Any]:
        while True:
            frame = self._frame()
            if frame[0] == REQUEST:
                self.line.send(self._answer(frame))
            elif frame[0] in (REPLY, FAILURE) and frame[1] == number:
                (value,) = self._unpacked(frame[3], 1)
                return frame[0], value
            else:
                raise self.line.lost("a reply to what was not asked")

    def _frame(self) -> list[Any]:
        frame = self.line.receive()
        if type(frame) is not list or len(frame) != (6 if frame[:1] == [REQUEST] else 4) or type(frame[2]) is not list:
            raise self.line.lost("a message makes no sense")
        if frame[2]:
            self._heard(frame[2])
        return frame

    def _unpacked(self, body: Any, least: int) -> list[Any]:
        try:
            values = self._codec.unpack(body)
            if len(values) < least:
                raise Gone("a message makes no sense")
        except Gone:
            self.line.gone = True
            raise
        return values

    def _raised(self, error: Any, operation: str, args: tuple[Any, ...]) -> BaseException:
        if not isinstance(error, BaseException):
            return self.line.lost("a failure without an exception")
        if self.doubts and isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):
            if operation in _GOES_ON or (operation == "method" and args[1] in _GENERATOR):
                return error
            return RuntimeError(f"the program raised {type(error).__name__}")
        return error

    # --- answering

    def answer_all(self) -> None:
        """Answer until the other side closes the channel."""
        self._lock.acquire()
        try:
            while True:
                frame = self._frame()
                if frame[0] != REQUEST:
                    raise self.line.lost("a reply to what was not asked")
                self._lock.release()
                try:
                    done = self._done(frame)
                finally:
                    self._lock.acquire()
                self.line.send(self._packed(frame[1], done))
        except Gone:
            return
        finally:
            self._lock.release()

    def _answer(self, frame: list[Any]) -> list[Any]:
        return self._packed(frame[1], self._done(frame))

    def _done(self, frame: list[Any]) -> tuple[int, Any]:
        _, _, _, body, operation, names = frame
        if type(names) is not list or type(operation) is not str:
            raise self.line.lost("a message makes no sense")
        values = self._unpacked(body, len(names))
        cut = len(values) - len(names)
        self._depth += 1
        try:
            named = dict(zip(names, values[cut:], strict=True))
            return REPLY, self._run(operation, values[:cut], named)
        except Gone:
            raise
        except BaseException as error:
            if self.doubts and isinstance(error, AssertionError) and self.failed is None:
                self.failed = error
            return FAILURE, error
        finally:
            self._depth -= 1
            del values

    def _run(self, operation: str, args: list[Any], named: dict[str, Any]) -> Any:
        if operation in self.more:
            return self.more[operation](*args, **named)
        run = RUN.get(operation)
        if run is None or not args:
            raise TypeError(f"{operation} cannot be asked")
        if self._guard is not None:
            mine = [value for value in args if self._objects.known(value)]
            if not mine or (operation in ("get", "set", "del", "method", "call") and mine[0] is not args[0]):
                raise TypeError(f"{operation} cannot be asked of that")
            self._guard.check(operation, args[0], args[1:])
        if operation == "get" and len(args) == 2 and self._guard is None:
            return attribute(args[0], args[1])
        return run(*args, **named)

    def _packed(self, number: int, done: tuple[int, Any]) -> list[Any]:
        kind, value = done
        del done
        outermost = self._depth == 0
        try:
            body = self._codec.pack([value], outermost)
        except TooMuch as error:
            kind, body = FAILURE, self._codec.pack([ValueError(str(error))], outermost)
        return [kind, number, self._spoken(), body]
