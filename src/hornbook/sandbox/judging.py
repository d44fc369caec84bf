"""The judge's side: runs the checks on what a program defined, and alone says that all of them held."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

from hornbook.sandbox.endings import clean, compiled, ending, passed
from hornbook.sandbox.guarding import Guard
from hornbook.sandbox.naming import Modules, claimed, free
from hornbook.sandbox.peer import Peer
from hornbook.sandbox.texts import watched
from hornbook.sandbox.wire import Gone

NAME = "<checks>"


class Names(dict[str, Any]):
    """Built-in names, and behind them those of the program."""

    def __init__(self, find: Callable[[str], Any], modules: Modules) -> None:
        super().__init__(vars(builtins))
        self._find = find
        self._modules = modules

    def __missing__(self, name: str) -> Any:
        try:
            found = self._find(name)
        except NameError:
            raise KeyError(name) from None
        return self._modules.ours(name, found)


class Checks(ModuleType):
    """The module that the checks run in; names it does not have are the program's."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        try:
            return self.__dict__["__builtins__"]._find(name)
        except NameError:
            raise AttributeError(f"neither checks nor program define {name!r}") from None


def judge(checks: str, channel_fd: int, report: Callable[[dict[str, Any]], None]) -> None:
    """Run checks to their end and report how they ended.

    Args:
        checks: Python; a name that it neither defines nor finds among the built-in ones is the program's.
        channel_fd: this side's end of a stream socket to `serving.serve`.
        report: told verdict (pass, syntax, error, assertion, exited, and memory or blocked where that is what the
            program's exception says), error, message and line once.
    """
    code = compiled(checks, NAME)
    if isinstance(code, dict):
        report(code)
        return
    module = Checks("__main__")
    sys.modules["__main__"] = module
    sys.argv = [NAME]
    peer = Peer(channel_fd, doubts=True, guard=Guard(module.__dict__), heard=_print)
    names = Names(lambda name: peer.ask("name", name), Modules(checks))
    names.update(watched(checks, module.__dict__))
    module.__dict__["__builtins__"] = names
    if "random" in checks:
        _watch_random(peer)
    if "thread" in checks:
        _watch_threads(peer)
    if "unittest" in checks:
        _watch_unittest(peer)
    report(_run(code, module, peer, checks))


def _run(code: Any, module: ModuleType, peer: Peer, checks: str) -> dict[str, Any]:
    error: BaseException | None = None
    try:
        module.__dict__.update(claimed(code, checks, lambda name: peer.ask("name", name)))
        exec(code, module.__dict__)
    except BaseException as raised:
        error = raised
    if peer.line.gone:
        return {**ending(error or Gone(), NAME), "verdict": "exited", "error": "", "message": "the program ended"}
    if error is not None and not _main_held(error):
        return ending(error, NAME) if not _main_failed(error) else _failed(error)
    if peer.failed is not None:
        return ending(peer.failed, NAME)
    unused = free(checks) - vars(builtins).keys() if not peer.asked else ()
    return _unused(unused) if unused else passed()


def _unused(names: Collection[str]) -> dict[str, Any]:
    """Checks whose test functions nobody calls hold of any program."""
    said = f"the checks came to their end and never used {', '.join(sorted(names))}: are their tests called?"
    return {**passed(), "verdict": "error", "error": "checks", "message": clean(said)}


def _watch_random(peer: Peer) -> None:
    """A seed that the checks set is the program's too, as in one process."""
    import random

    seed = random.seed

    def both(*args: Any, **named: Any) -> None:
        seed(*args, **named)
        peer.ask("seed", *args, **named)

    random.seed = both


def _watch_unittest(peer: Peer) -> None:
    """A test that did not hold is remembered, whoever ran it and whatever became of its result."""
    from unittest.result import TestResult

    def watched(inner: Callable[..., None]) -> Callable[..., None]:
        def add(self: TestResult, *args: Any) -> None:
            if peer.failed is None and (not args or args[-1] is not None):
                peer.failed = AssertionError("a unittest failed")
            inner(self, *args)

        return add

    for name in ("addFailure", "addError", "addSubTest", "addUnexpectedSuccess"):
        setattr(TestResult, name, watched(getattr(TestResult, name)))


def _watch_threads(peer: Peer) -> None:
    """A check that does not hold in a thread is remembered; the thread's end tells nobody."""
    import threading

    said = threading.excepthook

    def heard(given: Any) -> None:
        if peer.failed is None and isinstance(given.exc_value, AssertionError):
            peer.failed = given.exc_value
        said(given)

    threading.excepthook = heard


def _by_unittest(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    main = sys.modules.get("unittest.main")
    return main is not None and trace is not None and trace.tb_frame.f_code.co_filename == main.__file__


def _main_held(error: BaseException) -> bool:
    """`unittest.main()` ends with an exit whose code says whether the tests held."""
    return type(error) is SystemExit and not error.code and _by_unittest(error)


def _main_failed(error: BaseException) -> bool:
    return type(error) is SystemExit and bool(error.code) and _by_unittest(error)


def _failed(error: BaseException) -> dict[str, Any]:
    return {**ending(error, NAME), "verdict": "assertion", "error": "AssertionError", "message": "a unittest failed"}


def _print(said: list[Any]) -> None:
    for each in said:
        if type(each) is list and len(each) == 2 and type(each[1]) is str:
            stream = sys.stderr if each[0] == 2 else sys.stdout
            stream.write(each[1])
