"""Python programs taken apart and put together, by their trees; nothing is run."""

from __future__ import annotations

import ast
import textwrap

from hornbook.kernels.parsing import parse

Function = ast.FunctionDef | ast.AsyncFunctionDef
DEFINING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign,
)  # fmt: skip
"""Statements that define and do no more."""


def definitions_of(code: str) -> str:
    """A program without what it does besides defining: calls, prints, asserts, loops and `if __name__` at its top.

    A text at its beginning, imports, assignments, functions and classes stay as they are; '' where it does not parse.
    """
    tree = parse(code).tree
    if tree is None:
        return ""
    lines: list[str | None] = list(code.split("\n"))
    for at, node in enumerate(tree.body):
        said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not at
        if not said and not isinstance(node, DEFINING):
            last = node.end_lineno or node.lineno
            lines[node.lineno - 1 : last] = [None] * (last - node.lineno + 1)
    kept = "\n".join(line for line in lines if line is not None).strip("\n") + "\n"
    return kept if parse(kept).tree is not None else ""


def headed(signature: str, docstring: str) -> str:
    """A signature with its docstring under it, without a body; '' where they make no Python.

    Args:
        signature: `def f(a: int) -> int:`.
        docstring: its text, from the left margin.
    """
    said = docstring.replace('"""', "'''").strip()
    inner = textwrap.indent(said, "    ").lstrip()
    mark = 'r"""' if "\\" in said else '"""'
    end = '\n    """' if "\n" in said or said.endswith(('"', "\\")) else '"""'
    head = f"{signature}\n    {mark}{inner}{end}"
    return head if said and parse(head).tree is not None else ""


def head_of(code: str, name: str) -> str:
    """The signature and docstring of a program's function, as they stand there; '' where it does not define it."""
    found = next((node for node in functions_of(code) if node.name == name), None)
    if found is None:
        return ""
    spoken = ast.get_docstring(found, clean=False) is not None
    first = found.body[0]
    end = (first.end_lineno or first.lineno) if spoken else max(found.lineno, first.lineno - 1)
    return "\n".join(code.split("\n")[found.lineno - 1 : end])


def defines(code: str, name: str) -> bool:
    """Whether a program defines a function of that name at its top."""
    return bool(name) and any(node.name == name for node in functions_of(code))


def does(code: str, name: str) -> bool:
    """Whether a program's function has a body that gives something back: it returns a value, yields or raises.

    One that is said to return None has only to do something.
    """
    return any(gives(node) for node in functions_of(code) if node.name == name)


def functions_of(code: str) -> list[Function]:
    """The functions that a program defines at its top, in their order; none where it does not parse."""
    tree = parse(code).tree
    return [node for node in tree.body if isinstance(node, Function)] if tree else []


def gives(node: Function) -> bool:
    """Whether a function returns a value, yields or raises; one that says it returns None has only to do something."""
    if isinstance(node.returns, ast.Constant) and node.returns.value is None:
        return any(_does(one) for one in node.body)
    below: list[ast.AST] = list(node.body)
    while below:
        one = below.pop()
        if isinstance(one, (ast.Yield, ast.YieldFrom, ast.Raise)) or (isinstance(one, ast.Return) and one.value):
            return True
        if not isinstance(one, (Function, ast.ClassDef, ast.Lambda)):
            below += ast.iter_child_nodes(one)
    return False


def _does(node: ast.stmt) -> bool:
    """Whether a statement does something: it is no text, no `pass`, no dots, and defines no function."""
    return not isinstance(node, (ast.Pass, Function, ast.ClassDef)) and not (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
