"""Whose name it is that checks use and do not define: the program's, or one of the standard library or the language.

Checks lean on names that the program imported or happens to have. What such a name means must not be the program's to
say where it means a module of the standard library; and a program whose function is named as one of the language's
(`sum`) must still be found where the checks use no other name.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any


class Modules:
    """Modules of the standard library that the checks find here, although the program says what it has by their names.

    Args:
        checks: their text.
    """

    def __init__(self, checks: str) -> None:
        self._checks = checks
        self._uses: dict[str, list[str | None]] | None = None

    def ours(self, name: str, found: Any) -> Any:
        """Our own module where the program's name is that of one, else what was found."""
        if getattr(found, "__class__", None) is ModuleType:
            named = getattr(found, "__name__", "")
            return import_module(named) if type(named) is str and _standard(named) else found
        if not _standard(name):
            return found
        uses = self._attributes().get(name, [None])
        own = import_module(name)
        return own if all(use is not None and hasattr(own, use) for use in uses) else found

    def _attributes(self) -> dict[str, list[str | None]]:
        """By name, the attributes that are asked of it; None where it is used otherwise."""
        if self._uses is None:
            self._uses = {}
            tree = ast.parse(self._checks)
            bases = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    self._uses.setdefault(node.id, []).append(bases.get(id(node)))
        return self._uses


def claimed(code: CodeType, find: Callable[[str], Any]) -> dict[str, Any]:
    """The one built-in name that the program defines anew, where the checks use built-in names alone; else nothing.

    Args:
        code: the checks.
        find: gives what the program has by a name; raises NameError.
    """
    names = set(_names(code))
    if not names or not names <= vars(builtins).keys():
        return {}
    found = {}
    for name in sorted(names):
        try:
            found[name] = find(name)
        except NameError:
            continue
    return found if len(found) == 1 else {}


def _standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and not name.startswith("_")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)
