"""Solutions told differently: what someone who copies an exam would change, one kind of change at a time.

Every change is made to the syntax tree and written out again; a kind that finds nothing to change in a function gives
None. What comes out need not compute the same (constants are changed on purpose); it is never run.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

Change = Callable[[ast.Module], object]
"""Changes a module in place."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMMUTE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_TURNED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}


def told(source: str, kind: str) -> str | None:
    """A module's source with one kind of change; None where there is nothing for its first step, or it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    before = ast.unparse(tree)
    first, *others = KINDS[kind]
    first(tree)
    if ast.unparse(ast.fix_missing_locations(tree)) == before:
        return None
    for change in others:
        change(tree)
    written = ast.unparse(ast.fix_missing_locations(tree))
    return _commented(written) if kind == "comments and hints" else written + "\n"


def _renamed(tree: ast.Module) -> None:
    """Every name that the module binds, functions' too."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        name = _binds(node)
        if name and not name.startswith("__"):
            bound.setdefault(name, f"{'step' if isinstance(node, _FUNCTIONS) else 'item'}_{len(bound)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = bound.get(node.id, node.id)
        elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
            node.arg = bound.get(node.arg, node.arg)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            node.name = bound.get(node.name, node.name)


def _binds(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    if isinstance(node, ast.arg):
        return node.arg
    return node.name if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) else ""


def _reordered(tree: ast.Module) -> None:
    """Neighbouring assignments of which neither touches what the other binds, changed places."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        at = 0
        while at + 1 < len(body):
            one, two = body[at], body[at + 1]
            if all(isinstance(each, (ast.Assign, ast.AugAssign)) for each in (one, two)) and _apart(one, two):
                body[at], body[at + 1] = two, one
                at += 1
            at += 1


def _apart(one: ast.AST, two: ast.AST) -> bool:
    def names(node: ast.AST, *, bound: bool) -> set[str]:
        found = (each for each in ast.walk(node) if isinstance(each, ast.Name))
        return {each.id for each in found if not bound or not isinstance(each.ctx, ast.Load)}

    parts = [each for node in (one, two) for each in ast.walk(node)]
    if any(isinstance(each, (ast.Call, ast.Await)) for each in parts):
        return False
    if any(isinstance(each, (ast.Subscript, ast.Attribute)) and isinstance(each.ctx, ast.Store) for each in parts):
        return False
    touched = names(one, bound=True) & names(two, bound=False) or names(two, bound=True) & names(one, bound=False)
    return not touched


def _constants(tree: ast.Module) -> None:
    """Numbers one more, words another word; docstrings stay."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in alone or isinstance(node.value, bool):
            continue
        if isinstance(node.value, (int, float)):
            node.value += 1
        elif isinstance(node.value, str) and node.value:
            node.value = node.value[::-1] + "s"


class _Loops(ast.NodeTransformer):
    """`for x in range(…)` and `for x in list` as while loops."""

    def __init__(self) -> None:
        self.many = 0

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        left = any(isinstance(each, ast.Continue) for each in ast.walk(node))
        if left or node.orelse:
            return node
        self.many += 1
        counter = f"k{self.many}"
        call = node.iter
        counted = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
        if counted and isinstance(node.target, ast.Name) and len(call.args) in (1, 2):
            first = call.args[0] if len(call.args) == 2 else ast.Constant(0)
            counter, end, head = node.target.id, call.args[-1], []
        else:
            first, end = ast.Constant(0), ast.Call(ast.Name("len", ast.Load()), [call], [])
            place = ast.Subscript(copy.deepcopy(call), ast.Name(counter, ast.Load()), ast.Load())
            head = [ast.Assign([node.target], place)]
        start = ast.Assign([ast.Name(counter, ast.Store())], first)
        test = ast.Compare(ast.Name(counter, ast.Load()), [ast.Lt()], [end])
        step = ast.AugAssign(ast.Name(counter, ast.Store()), ast.Add(), ast.Constant(1))
        return [start, ast.While(test, [*head, *node.body, step], [])]


def _loops(tree: ast.Module) -> None:
    turned = _Loops()
    turned.visit(tree)


def _hints(tree: ast.Module) -> None:
    """Another docstring, hints on every argument."""
    found = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    for node in found:
        _bare(node)
        node.body.insert(0, ast.Expr(ast.Constant("Works the answer out, a step at a time, and gives it back.")))
        node.returns = ast.Name("object", ast.Load())
        for argument in node.args.args:
            argument.annotation = ast.Name("object", ast.Load())


def _bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _commented(source: str) -> str:
    lines = []
    for line in source.splitlines():
        if line.strip() and not line.lstrip().startswith(('"', "'")):
            lines.append(line[: len(line) - len(line.lstrip())] + "# the next step of the plan")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _no_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            _bare(node)


def _extracted(tree: ast.Module) -> None:
    """What is returned gets a name first."""
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            if not isinstance(body, list):
                continue
            for at, one in enumerate(body):
                if isinstance(one, ast.Return) and one.value and not isinstance(one.value, (ast.Name, ast.Constant)):
                    body[at : at + 1] = [
                        ast.Assign([ast.Name("outcome", ast.Store())], one.value),
                        ast.Return(ast.Name("outcome", ast.Load())),
                    ]
                    break


def _swapped(tree: ast.Module) -> None:
    """Both sides of what may be said either way round."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, _COMMUTE):
            node.left, node.right = node.right, node.left
        elif isinstance(node, ast.BoolOp):
            node.values.reverse()
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _TURNED:
            node.left, node.comparators[0] = node.comparators[0], node.left
            node.ops[0] = _TURNED[type(node.ops[0])]()


def _longhand(tree: ast.Module) -> None:
    """`x += y` as `x = x + y`."""
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            for at, one in enumerate(body if isinstance(body, list) else []):
                if isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
                    name = ast.Name(one.target.id, ast.Load())
                    body[at] = ast.Assign([one.target], ast.BinOp(name, one.op, one.value))


KINDS: dict[str, tuple[Change, ...]] = {
    "renamed": (_renamed,),
    "renamed, no docstring": (_renamed, _no_docstrings),
    "comments and hints": (_hints,),
    "constants changed": (_constants,),
    "statements reordered": (_reordered,),
    "operands swapped": (_swapped,),
    "result named first": (_extracted,),
    "+= written out": (_longhand,),
    "for as while": (_loops,),
    "for as while, renamed, no docstring": (_loops, _renamed, _no_docstrings),
    "all but the loops": (_renamed, _constants, _reordered, _swapped, _extracted, _longhand, _no_docstrings),
}
"""Kind of change → what is done, in order."""
