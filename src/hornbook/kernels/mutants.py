"""Programs that are nearly right: small changes of Python's syntax tree, made in the text so that all else stays."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from hornbook.core.keys import random_for
from hornbook.kernels.parsing import parse

KINDS = ("operator", "comparison", "logic", "constant", "off_by_one", "arguments", "name", "return", "dropped")
"""The kinds of change: arithmetic, comparison and and/or/not; another number or text; one more or less in a range or an
index; arguments or operands swapped; another name of the same function; another value returned; a statement gone."""

LONGEST = 100_000
"""Characters of a program that is looked at; longer ones have no mutants. Our choice."""
_NAMES = 8
"""Names that are put for another one; ours."""
_TRIES = 4
"""Changes that are tried for each mutant wanted: nearly all are Python."""
_OPERATORS: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+", "//")),
    ast.Div: ("/", ("*", "//")),
    ast.FloorDiv: ("//", ("*", "%")),
    ast.Mod: ("%", ("//", "*")),
    ast.Pow: ("**", ("*",)),
    ast.BitAnd: ("&", ("|", "^")),
    ast.BitOr: ("|", ("&", "^")),
    ast.BitXor: ("^", ("|", "&")),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
}
_ATOMS = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Break, ast.Continue, ast.Raise)
_LINE = re.compile(rb"\r\n|\r|\n")
_COMMENT = re.compile(rb"#[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one change.

    Args:
        text: the whole program.
        kind: one of `KINDS`.
        line: of the change, from 1.
        before, after: what stood there, and what stands there now.
    """

    text: str
    kind: str
    line: int
    before: str
    after: str


_Change = tuple[str, int, int, str]
"""Kind, first byte, byte after the last, what comes there."""


def mutants(code: str, count: int, seed: int = 0, start: int = 0, kinds: Collection[str] = KINDS) -> list[Mutant]:
    """Different programs, each with one change, all with another syntax tree than the first.

    They differ from the program as texts and as trees (names, values and docstrings as they are); that they do
    something else is for tests to say: of the changes of such mutators some part is equivalent (Jia and Harman, IEEE
    TSE 2011). Kinds come by turns, so that the many constants of a program do not stand for all; within a kind the
    places are drawn.

    Args:
        code: Python; what cannot be parsed, or is longer than `LONGEST`, has no mutants.
        count: as many at most.
        seed: of the draws.
        start: characters at the beginning that stay as they are: a prompt, of which `code` is the whole program.
        kinds: of change, among `KINDS`.

    Returns:
        Fewer than `count` where the program has no more places to change; of one seed more hold the fewer.
    """
    tree = parse(code).tree if len(code) <= LONGEST else None
    if tree is None or count < 1:
        return []
    source = _Source(code, start)
    groups: dict[str, list[_Change]] = {}
    for change in dict.fromkeys(_changes(tree, source)):
        if change[0] in kinds:
            groups.setdefault(change[0], []).append(change)
    draw = random_for(seed, "mutants", code)
    order = sorted(groups, key=KINDS.index)
    draw.shuffle(order)
    for kind in order:
        draw.shuffle(groups[kind])
    turns = [change for turn in _turns([groups[kind] for kind in order]) for change in turn]
    original = _dump(tree)
    found: dict[str, Mutant] = {}
    for change in turns[: _TRIES * count]:
        if len(found) >= count:
            break
        mutant = source.changed(change)
        other = parse(mutant.text).tree
        if mutant.text not in found and other is not None and _dump(other) not in ("", original):
            found[mutant.text] = mutant
    return list(found.values())


def _dump(tree: ast.Module) -> str:
    try:
        return ast.dump(tree)
    except RecursionError:
        return ""


def _turns(groups: Sequence[Sequence[_Change]]) -> Iterator[list[_Change]]:
    for at in range(max(map(len, groups), default=0)):
        yield [group[at] for group in groups if at < len(group)]


class _Source:
    """A program's bytes, and where its nodes stand in them."""

    def __init__(self, code: str, start: int) -> None:
        self.data = code.encode()
        self.first = len(code[:start].encode())
        self._lines = [0, *(found.end() for found in _LINE.finditer(self.data))]

    def span(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """First byte of a node and the one after its last."""
        last, column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._lines[node.lineno - 1] + node.col_offset, self._lines[last - 1] + column

    def text(self, first: int, last: int) -> str:
        return self.data[first:last].decode("utf-8", "replace")

    def between(self, before: ast.expr, after: ast.expr, sign: str) -> tuple[int, int] | None:
        """Where an operator stands between its operands, not in a comment between them."""
        first, last = self.span(before)[1], self.span(after)[0]
        gap = _COMMENT.sub(lambda found: b" " * len(found[0]), self.data[first:last])
        found = re.search(rb"\s+".join(map(re.escape, sign.encode().split())), gap)
        return None if found is None else (first + found.start(), first + found.end())

    def whole_lines(self, node: ast.stmt) -> tuple[int, int] | None:
        """The lines of a statement that has them for itself."""
        first, last = self.span(node)
        begin = self._lines[node.lineno - 1]
        after = (node.end_lineno or node.lineno) - 1
        end = self._lines[after + 1] if after + 1 < len(self._lines) else len(self.data)
        alone = not self.data[begin:first].strip() and not _COMMENT.sub(b"", self.data[last:end]).strip()
        return (begin, end) if alone else None

    def changed(self, change: _Change) -> Mutant:
        kind, first, last, said = change
        text = self.data[:first] + said.encode() + self.data[last:]
        line = 1 + len(_LINE.findall(self.data[:first]))
        return Mutant(text.decode("utf-8", "replace"), kind, line, self.text(first, last), said)


def _changes(tree: ast.Module, source: _Source) -> Iterator[_Change]:
    """Every change of every place after the beginning that stays."""
    for node, names in _nodes(tree):
        for change in chain(_signs(node, source), _values(node, source), _orders(node, source, names)):
            if source.first <= change[1] < change[2]:
                yield change
    for body in _bodies(tree):
        for change in _dropped(body, source):
            if source.first <= change[1] < change[2]:
                yield change


def _nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Nodes with the local names of their function, without docstrings, types and what is in f-strings."""
    waiting: list[tuple[ast.AST, tuple[str, ...]]] = [(tree, ())]
    while waiting:
        node, names = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            names = _locals(node) or names
        yield node, names
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr):
                continue
            inner = value if isinstance(value, list) else [value]
            if field == "body" and inner and _is_said(inner[0]):
                inner = inner[1:]
            waiting += [(one, names) for one in inner if isinstance(one, ast.AST)]


def _is_said(node: object) -> bool:
    """Whether a statement is a text alone, as docstrings are."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> tuple[str, ...]:
    """Names that a function takes or binds."""
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            found[node.arg] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
        if len(found) == _NAMES:
            break
    return tuple(found)


def _signs(node: ast.AST, source: _Source) -> Iterator[_Change]:
    """Operators, comparisons, and, or, not."""
    if isinstance(node, ast.BinOp):
        yield from _swapped(node.left, node.right, "operator", *_OPERATORS.get(type(node.op), ("", ())), source)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        sign, others = _OPERATORS[type(node.op)]
        place = source.between(node.target, node.value, f"{sign}=")
        yield from () if place is None else (("operator", *place, f"{other}=") for other in others)
    elif isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        for at, op in enumerate(node.ops):
            sign, others = _COMPARISONS[type(op)]
            yield from _swapped(operands[at], operands[at + 1], "comparison", sign, others, source)
    elif isinstance(node, ast.BoolOp):
        sign, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            yield from _swapped(left, right, "logic", sign, (other,), source)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        first, last = source.span(node)[0], source.span(node.operand)[0]
        if b"(" not in source.data[first:last]:
            yield "logic" if isinstance(node.op, ast.Not) else "operator", first, last, ""


def _swapped(
    left: ast.expr, right: ast.expr, kind: str, sign: str, others: Sequence[str], source: _Source
) -> Iterator[_Change]:
    place = source.between(left, right, sign) if sign else None
    if place is not None:
        yield from ((kind, *place, other) for other in others)


def _values(node: ast.AST, source: _Source) -> Iterator[_Change]:
    """Constants, and one more or less."""
    if isinstance(node, ast.Constant):
        for other in _others(node.value):
            yield "constant", *source.span(node), other
    near: list[ast.expr] = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        near = list(node.args)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        near = [one for one in (node.slice.lower, node.slice.upper) if one is not None]
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        near = [node.slice]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        yield from (("off_by_one", source.span(node)[1] - 1, source.span(node)[1], f"){more}") for more in (" - 1",))
    for one in near:
        if isinstance(one, (ast.Name, ast.Attribute, ast.Call, ast.BinOp)):
            end = source.span(one)[1]
            last = source.text(end - 1, end)
            yield from (("off_by_one", end - 1, end, f"{last}{more}") for more in (" + 1", " - 1") if last.isascii())


def _others(value: object) -> list[str]:
    """Other values of a constant, as Python."""
    if isinstance(value, bool):
        return [repr(not value)]
    if isinstance(value, int):
        return [str(value + 1), str(value - 1)] if 0 < value < 10**9 else ["1"]
    if isinstance(value, float):
        return [repr(value + 1.0)] if abs(value) < 10**9 else []
    if isinstance(value, str):
        return ["''", repr(value + " ")] if 0 < len(value) < 100 else ["' '"]
    return []


def _orders(node: ast.AST, source: _Source, names: Sequence[str]) -> Iterator[_Change]:
    """Arguments and operands swapped, other names, other values returned."""
    if isinstance(node, ast.Call):
        plain = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
        for left, right in pairwise(plain):
            yield from _turned(left, right, source)
    elif isinstance(node, ast.BinOp) and isinstance(node.left, _ATOMS) and isinstance(node.right, _ATOMS):
        yield from _turned(node.left, node.right, source)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (("name", *source.span(node), name) for name in names if name != node.id)
    elif isinstance(node, ast.Return) and node.value is not None:
        first, last = source.span(node.value)
        yield from (("return", first, last, said) for said in ("None", *names) if said != source.text(first, last))


def _turned(left: ast.expr, right: ast.expr, source: _Source) -> Iterator[_Change]:
    (a, b), (c, d) = source.span(left), source.span(right)
    if source.data[a:b] != source.data[c:d]:
        yield "arguments", a, d, source.text(c, d) + source.text(b, c) + source.text(a, b)


def _bodies(tree: ast.Module) -> Iterator[Sequence[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                yield body


def _dropped(body: Sequence[ast.stmt], source: _Source) -> Iterator[_Change]:
    """Statements of a body, gone; `pass` where there would be none left."""
    for node in body:
        if not isinstance(node, _SIMPLE) or _is_said(node):
            continue
        lines = source.whole_lines(node)
        if len(body) == 1 or all(_is_said(one) for one in body if one is not node):
            yield "dropped", *source.span(node), "pass"
        elif lines is not None:
            yield "dropped", *lines, ""
