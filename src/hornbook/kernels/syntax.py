"""Functions of a Python module as labelled trees: what they compute, without how it is written down.

Of a syntax tree are left out: docstrings and other strings that stand alone, type hints, decorators, `pass`, positions,
and whether a name is read or written. An operator is part of its node's label, so `a + b` is three nodes.

Tidied, what can be said either way has one form: `b > a` is `a < b`, the sides of `+ * & | ^ == != and or` have one
order, `x = x + 1` is `x += 1`, and `x = …; return x` is `return …`. It is no proof that two functions do the same:
`+` has an order where it joins lists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Names = Literal["kept", "order", "free", "none"]
Constants = Literal["values", "types", "none"]
_LEFT_OUT = {"ctx", "op", "ops", "annotation", "returns", "decorator_list", "type_comment", "type_params", "kind"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMMUTE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_TURNED: dict[type[ast.AST], type[ast.AST]] = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_SHOWN = 40
"""Characters of a constant that are compared."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or the statements of a module without one.

    Args:
        name: its own; empty for a module.
        first, last: its lines, from 1; its decorators are not counted.
        labels: of its nodes in postorder.
        left: of each node the place of the leftmost leaf below it.
    """

    name: str
    first: int
    last: int
    labels: list[str]
    left: list[int]


@dataclass(frozen=True, slots=True)
class _Node:
    """A node, how many stand right below it, its label without names, and whether those below have no order."""

    node: ast.AST
    below: int
    label: str
    loose: bool


def functions(tree: ast.Module, names: Names, constants: Constants, tidy: bool, most: int) -> Iterator[Function]:
    """All functions of a module, those inside others too, in the order of their beginnings; of a module without
    functions its statements as one.

    Args:
        tree: the module.
        names: what of a name is part of a label: `kept` all; `order` names that the function binds by the number of
            their first appearance, others as they are; `free` only those that it does not bind; `none` nothing.
        constants: `values`, `types`, or `none` of both.
        tidy: whether what can be said either way is put in one form.
        most: functions of more nodes are left out.
    """
    found = _inside(tree)
    for node in found or [tree]:
        nodes = _below(node, tidy, most)
        if nodes is None or (not found and len(nodes) < 2):
            continue
        labels = _labels(nodes, names, constants)
        if tidy and any(one.loose for one in nodes):
            labels, below = _settled(labels, nodes)
        else:
            below = [one.below for one in nodes]
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or 1
        yield Function(getattr(node, "name", ""), first, last, labels, _left(below))


def _inside(tree: ast.Module) -> list[ast.AST]:
    """The functions of a module; only statements are looked into."""
    out: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            out.append(node)
        for field in ("finalbody", "orelse", "handlers", "cases", "body"):
            below = getattr(node, field, None)
            if isinstance(below, list):
                waiting.extend(reversed(below))
    return out


def _below(root: ast.AST, tidy: bool, most: int) -> list[_Node] | None:
    """The nodes of a tree in postorder; None where there are too many."""
    out: list[_Node] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        label, children, loose = _tidied(node) if tidy else (_kind(node), None, False)
        before = len(waiting)
        if children is None:
            children = _children(node, tidy)
        waiting.extend(children)
        out.append(_Node(node, len(waiting) - before, label, loose))
        if len(out) + len(waiting) > most:
            return None
    out.reverse()
    return out


def _children(node: ast.AST, tidy: bool) -> list[ast.AST]:
    out: list[ast.AST] = []
    for field in _fields(type(node)):  # type: ignore[arg-type]
        below = getattr(node, field, None)
        if isinstance(below, list):
            some = [one for one in below if isinstance(one, ast.AST) and not _says_nothing(one)]
            out += _without_name(some) if tidy and len(some) > 1 and isinstance(some[-1], ast.Return) else some
        elif isinstance(below, ast.AST):
            out.append(below)
    return out


def _without_name(body: list[ast.AST]) -> list[ast.AST]:
    """`x = …; return x` as `return …`."""
    one, last = body[-2:]
    if (
        isinstance(one, ast.Assign)
        and isinstance(last, ast.Return)
        and isinstance(last.value, ast.Name)
        and len(one.targets) == 1
        and isinstance(one.targets[0], ast.Name)
        and one.targets[0].id == last.value.id
    ):
        return [*body[:-2], ast.Return(one.value)]
    return body


def _tidied(node: ast.AST) -> tuple[str, list[ast.AST] | None, bool]:
    """(label, what stands below where it is not as in the tree, whether that has no order) in the one form."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        op = type(node.ops[0])
        if op in _TURNED:
            return f"Compare {_TURNED[op].__name__}", [node.comparators[0], node.left], False
        return _kind(node), None, op in (ast.Eq, ast.NotEq)
    if isinstance(node, ast.BinOp):
        return _kind(node), None, isinstance(node.op, _COMMUTE)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name) and isinstance(value.left, ast.Name) and target.id == value.left.id:
            return f"AugAssign {type(value.op).__name__}", [target, value.right], False
    return _kind(node), None, isinstance(node, ast.BoolOp)


def _settled(labels: list[str], nodes: list[_Node]) -> tuple[list[str], list[int]]:
    """Labels, and how many nodes stand right below each, after what has no order was put in one: the shorter first, of
    equally long ones by their labels."""
    open_: list[list[tuple[str, int]]] = []
    for label, node in zip(labels, nodes, strict=True):
        parts = open_[len(open_) - node.below :]
        del open_[len(open_) - node.below :]
        if node.loose:
            parts.sort(key=lambda part: (len(part), part))
        whole = parts[0] if parts else []
        for some in parts[1:]:
            whole += some
        whole.append((label, node.below))
        open_.append(whole)
    return [label for label, _ in open_[0]], [below for _, below in open_[0]]


@lru_cache(maxsize=256)
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(name for name in kind._fields if name not in _LEFT_OUT)


def _says_nothing(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Pass)


def _left(below: list[int]) -> list[int]:
    """Of each node the place of the leftmost leaf below it; `below`: how many stand right below each."""
    out: list[int] = []
    open_: list[int] = []
    for at, many in enumerate(below):
        first = at
        if many:
            first = open_[-many]
            del open_[-many:]
        open_.append(first)
        out.append(first)
    return out


def _labels(nodes: list[_Node], names: Names, constants: Constants) -> list[str]:
    bound = _bound(nodes) if names in ("order", "free") else frozenset()
    numbers: dict[str, int] = {}
    out = []
    for one in nodes:
        label = one.label
        if isinstance(one.node, ast.Constant):
            label = _constant(one.node.value, label, constants)
        elif names != "none" and (said := _name(one.node)) is not None:
            if said not in bound:
                label = f"{label} {said}"
            elif names == "order":
                label = f"{label} {numbers.setdefault(said, len(numbers))}"
        out.append(label)
    return out


def _kind(node: ast.AST) -> str:
    kind = type(node).__name__
    if isinstance(node, ast.Compare):
        return kind + " " + " ".join(type(op).__name__ for op in node.ops)
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.AugAssign)):
        return f"{kind} {type(node.op).__name__}"
    return "Assign" if isinstance(node, ast.AnnAssign) else kind


def _constant(value: object, label: str, constants: Constants) -> str:
    if constants == "none":
        return label
    kind = type(value).__name__
    if constants == "types":
        return f"{label} {kind}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{label} {value:x}"[: len(label) + _SHOWN]
    shown = value[:_SHOWN] if isinstance(value, (str, bytes)) else value
    return f"{label} {kind} {shown!r}"


def _name(node: ast.AST) -> str | None:
    """The name in a node, None where it has none; a function's own name is none of its labels."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, (ast.arg, ast.keyword)):
        return node.arg
    if isinstance(node, ast.Attribute):
        return "." + node.attr
    if isinstance(node, ast.alias):
        return "import " + node.name
    return None


def _bound(nodes: list[_Node]) -> frozenset[str]:
    """The names that a function gives a meaning to: its own, its arguments, what it assigns and defines."""
    out: set[str] = set()
    for one in nodes:
        node = one.node
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            out.add(node.id)
        elif isinstance(node, ast.arg):
            out.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)) and node.name:
            out.add(node.name)
    return frozenset(out)
