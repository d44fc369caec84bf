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


def free(checks: str) -> frozenset[str]:
    """Names that the checks use and do not define; nothing where they reach for the program's module themselves."""
    used: set[str] = set()
    own: set[str] = set()
    for node in ast.walk(ast.parse(checks)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            own.add(node.name)
        elif isinstance(node, ast.alias):
            own.add((node.asname or node.name).partition(".")[0])
            if node.name == "__main__":
                return frozenset()
        elif isinstance(node, ast.ImportFrom) and node.module == "__main__":
            return frozenset()
    return frozenset(name for name in used - own if not name.startswith("__"))


def claimed(code: CodeType, checks: str, find: Callable[[str], Any]) -> dict[str, Any]:
    """The one built-in name that the program defines anew, where the checks use built-in names alone; else nothing.

    Args:
        code, checks: the checks; their text is looked at only where the code uses a built-in name.
        find: gives what the program has by a name; raises NameError.

    Raises:
        NameError: the program defines several of them.
    """
    if vars(builtins).keys().isdisjoint(_names(code)):
        return {}
    names = free(checks)
    if not names <= vars(builtins).keys():
        return {}
    found = {}
    for name in sorted(names):
        try:
            found[name] = find(name)
        except NameError:
            continue
    if len(found) > 1:
        raise NameError(f"whose {' and '.join(found)}? Say it in the checks: from __main__ import {next(iter(found))}")
    return found


def _standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and not name.startswith("_")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)
