"""Functions and classes of the standard library that both sides have: they go by name, and each side uses its own."""

from __future__ import annotations

import builtins
import sys
from types import BuiltinFunctionType, FunctionType
from typing import Any

_BUILTIN = frozenset([
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id",
    "isinstance", "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow", "print",
    "repr", "round", "sorted", "sum",
])  # fmt: skip
_MODULES = {
    "math": "", "cmath": "", "operator": "", "_operator": "",
    "collections": "OrderedDict Counter defaultdict deque ChainMap", "decimal": "Decimal", "fractions": "Fraction",
    "datetime": "date time datetime timedelta timezone", "uuid": "UUID",
    "pathlib": "Path PurePath PosixPath PurePosixPath",
}  # fmt: skip
_TYPES = frozenset([str, bytes, int, float, complex, list, tuple, dict, set, frozenset])
_METHOD = type(str.upper)


def tree(value: Any) -> list[Any] | None:
    """A name both sides know it by, or None."""
    kind = type(value)
    if kind is _METHOD and value.__objclass__ in _TYPES:
        return ["n", value.__objclass__.__name__, value.__name__]
    if kind is not BuiltinFunctionType and kind is not FunctionType and kind is not type and kind.__name__ != "ABCMeta":
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if type(module) is not str or type(name) is not str:
        return None
    node = ["n", module, name]
    try:
        return node if made(node) is value else None
    except (ValueError, AttributeError):
        return None


def made(node: list[Any]) -> Any:
    """What has that name here.

    Raises:
        ValueError: it is none that goes by name.
    """
    _, module, name = node
    if type(module) is not str or type(name) is not str or name.startswith("_"):
        raise ValueError("no name")
    if module == "builtins":
        if name in _BUILTIN:
            return getattr(builtins, name)
        raise ValueError("no name")
    owner = next((kind for kind in _TYPES if kind.__name__ == module), None)
    if owner is not None:
        return getattr(owner, name)
    if module in _MODULES and (not _MODULES[module] or name in _MODULES[module].split()):
        if module not in sys.modules:
            import importlib

            importlib.import_module(module)
        return getattr(sys.modules[module], name)
    raise ValueError("no name")
