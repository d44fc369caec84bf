"""What the program may do with the objects of the checks: use them, and reach nothing through them.

Functions of the checks hold what is expected in their code and globals, so they can be called and nothing else.
Attributes are for instances and classes that the checks define, by public names; no standard function that was handed
over runs here unless it is a method of a container.
"""

from __future__ import annotations

import functools
import io
import types
from typing import Any

from hornbook.sandbox import known
from hornbook.sandbox.codec import MUTABLE
from hornbook.sandbox.operations import BASES, ITEMS

_HOLDERS = (*MUTABLE, *BASES, io.StringIO, io.BytesIO)
_NEVER = frozenset(["dir", "isinstance", "issubclass", "plain", "fspath"])
_MOCKS = frozenset(["reset_mock", "configure_mock", "attach_mock", "mock_add_spec", "return_value", "side_effect"])
_WRITERS = (io.StringIO, io.BytesIO)


class Guard:
    """The judge's rules. `space` is the globals of the checks."""

    def __init__(self, space: dict[str, Any]) -> None:
        self._space = space

    def check(self, operation: str, target: Any, args: list[Any]) -> None:
        """Raise what the program is told where it may not."""
        if operation in _NEVER:
            raise TypeError(f"{operation} is not to be had of what the checks passed")
        if operation in ("get", "set", "del", "method"):
            self._attribute(operation, target, args[0] if args else None)
        elif operation == "call" and not self._callable(target):
            raise TypeError(f"{type(target).__name__} of the checks cannot be called by the program")
        elif operation in ITEMS and not self._made_here(type(target)):
            raise TypeError(f"items of {type(target).__name__} of the checks cannot be changed by the program")

    def _attribute(self, operation: str, target: Any, name: Any) -> None:
        kind = type(target)
        if type(name) is not str or name.startswith("_"):
            raise AttributeError(f"{kind.__name__} of the checks has no attribute {name!r} for the program")
        if self._made_here(kind):
            if operation in ("set", "del") and callable(getattr(kind, name, None)):
                raise AttributeError(
                    f"method {name!r} of {kind.__name__} of the checks cannot be replaced by the program"
                )
            return
        reading = operation in ("get", "method")
        if reading and isinstance(target, type) and self._made_here(target):
            return
        if reading and kind in _WRITERS:
            return
        if reading and _mock(kind) and name not in _MOCKS and not name.startswith("assert"):
            return
        if reading and kind is types.GeneratorType and name in ("send", "throw", "close"):
            return
        raise AttributeError(f"{kind.__name__} of the checks has no attribute {name!r} for the program")

    def _made_here(self, kind: type) -> bool:
        return kind.__module__ == "__main__" and isinstance(kind, type)

    def _callable(self, target: Any) -> bool:
        if known.tree(target) is not None or any(target is each for each in BASES):
            return True
        if isinstance(target, functools.partial):
            return self._callable(target.func)
        kind = type(target)
        if kind is types.FunctionType:
            return target.__globals__ is self._space or target.__module__ == "functools"
        if kind is types.MethodType:
            return self._callable(target.__func__)
        if kind is types.BuiltinFunctionType or kind is types.MethodWrapperType:
            return type(target.__self__) in _HOLDERS
        if isinstance(target, type):
            return self._made_here(target)
        wrapped = getattr(target, "__wrapped__", None) if kind.__name__ == "_lru_cache_wrapper" else None
        if wrapped is not None:
            return self._callable(wrapped)
        return self._made_here(kind) or _mock(kind)


def _mock(kind: type) -> bool:
    return kind.__module__ == "unittest.mock" or any(base.__module__ == "unittest.mock" for base in kind.__mro__)
