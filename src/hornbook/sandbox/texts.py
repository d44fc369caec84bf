"""Text that the checks run as Python, where they did not write it themselves: the program's, as likely as not.

`eval(repr(x))` in the checks would let the program run what it likes in the judge. So text runs where it is a literal
of the checks, or no more than an expression of values, operators and calls of the program's own names; the examples
of a docstring (`doctest`) likewise; and pickles make values of plain types alone.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType
from typing import Any

from hornbook.sandbox.proxies import foreign

_CALLED = ("eval", "exec", "compile", "doctest")
_PICKLED = ("pickle", "shelve")
_FORMS = (
    ast.Expression, ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.keyword, ast.Call, ast.Name, ast.Attribute,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_PURE = frozenset([
    "abs", "bool", "bytearray", "bytes", "complex", "dict", "divmod", "float", "frozenset", "int", "len", "list",
    "max", "min", "pow", "range", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple", "zip",
])  # fmt: skip
_MODULES = frozenset(["math", "cmath", "datetime", "decimal", "fractions", "collections"])
_PICKLES = {
    "builtins": _PURE | {"object"},
    "collections": frozenset(["OrderedDict", "Counter", "defaultdict", "deque"]),
    "datetime": frozenset(["date", "time", "datetime", "timedelta", "timezone"]),
    "decimal": frozenset(["Decimal"]), "fractions": frozenset(["Fraction"]), "uuid": frozenset(["UUID"]),
    "_codecs": frozenset(["encode"]), "copyreg": frozenset(["_reconstructor"]),
}  # fmt: skip


class Texts:
    """The checks' own `eval`, `exec` and `compile`.

    Args:
        checks: their text.
        space: their globals.
    """

    def __init__(self, checks: str, space: dict[str, Any]) -> None:
        nodes = ast.walk(ast.parse(checks))
        self._written = {node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str}
        self._space = space

    def eval(self, source: Any, globals: Any = None, locals: Any = None, /) -> Any:
        return self._run(builtins.eval, source, globals, locals, sys._getframe(1))

    def exec(self, source: Any, globals: Any = None, locals: Any = None, /) -> None:
        self._run(builtins.exec, source, globals, locals, sys._getframe(1))

    def compile(self, source: Any, *args: Any, **named: Any) -> Any:
        frame = sys._getframe(1)
        self._refuse(source, (frame.f_locals, frame.f_globals), ())
        return builtins.compile(source, *args, **named)

    def _run(self, run: Callable[..., Any], source: Any, space: Any, inner: Any, frame: FrameType) -> Any:
        given = [each for each in (space, inner) if each is not None and each is not self._space]
        own = (frame.f_locals, frame.f_globals) if space is None or space is self._space else (self._space,)
        if type(source) is not CodeType:
            self._refuse(source, own, given)
        if space is None:
            space, inner = frame.f_globals, frame.f_locals if inner is None else inner
        space.setdefault("__builtins__", self._space["__builtins__"])
        return run(source, space, space if inner is None else inner)

    def _refuse(self, source: Any, own: Any, given: Any) -> None:
        if type(source) is str and (source in self._written or self._example(source)):
            return
        try:
            nodes = list(ast.walk(ast.parse(source.strip(), mode="eval"))) if type(source) is str else []
        except (SyntaxError, ValueError):
            nodes = []
        if not nodes or not all(self._plain(node, own, given) for node in nodes):
            raise RuntimeError("text that the checks do not contain is run only where it is a plain expression")

    def _example(self, source: str) -> bool:
        return any(f">>> {source.strip()}\n" in f"{text}\n" for text in self._written)

    def _plain(self, node: ast.AST, own: Any, given: Any) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, (ast.Name, ast.Attribute))
        if isinstance(node, ast.Attribute):
            holder = sys.modules.get(node.value.id) if isinstance(node.value, ast.Name) else None
            return holder is not None and holder.__name__ in _MODULES and _public(holder, node.attr)
        if not isinstance(node, ast.Name):
            return isinstance(node, _FORMS)
        if any(node.id in each for each in given):
            return True
        for each in own:
            if node.id in each:
                value = each[node.id]
                return foreign(value) or isinstance(value, type) or (_module(value) and value.__name__ in _MODULES)
        return node.id in _PURE or not hasattr(builtins, node.id)


def _module(value: Any) -> bool:
    return type(value) is ModuleType


def _public(holder: ModuleType, name: str) -> bool:
    return not name.startswith("_") and not _module(getattr(holder, name, holder))


def watched(checks: str, space: dict[str, Any]) -> dict[str, Any]:
    """What checks that run text, or read pickles, find instead of Python's own; those that do not find nothing."""
    if any(word in checks for word in _PICKLED):
        sys.addaudithook(lambda event, args: _unpickle(event, args, space))
    if not any(word in checks for word in _CALLED):
        return {}
    texts = Texts(checks, space)
    if "doctest" in checks:
        import doctest

        vars(doctest).update(compile=texts.compile)
    return {"eval": texts.eval, "exec": texts.exec, "compile": texts.compile}


def _unpickle(event: str, args: tuple[Any, ...], space: dict[str, Any]) -> None:
    if event != "pickle.find_class":
        return
    module, name = args
    if module == "__main__" and "." not in name and isinstance(space.get(name, type), type):
        return
    if name not in _PICKLES.get(module, ()):
        from pickle import UnpicklingError

        raise UnpicklingError(f"the checks make no {module}.{name} of a pickle")
