"""Signatures of Python functions: read from a line, and what makes two names the same."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass

from hornbook.kernels.parsing import parse

LONGEST = 80
"""Characters of a name; ours: longer ones are sentences."""
_LINE = 400
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\Z")
_FOUND = re.compile(
    r"(?:\bdef[ \t]+)?(?<![\w.])(?P<name>[A-Za-z]\w*)[ \t]*(?P<params>\([^\n]*\))[ \t]*"
    r"(?:->[ \t]*(?P<result>[^\n:#]+))?"
)
_TYPES = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.BinOp, ast.BitOr, ast.Load,
)  # fmt: skip
"""What the type of a result is written with."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FILLERS = frozenset(
    ("a", "an", "the", "of", "in", "on", "from", "to", "by", "and", "for", "with", "given", "into", "at", "as", "its",
     "all", "list", "array", "function", "get", "calculate", "compute", "determine", "find", "return", "obtain")
)  # fmt: skip
"""Words of names that say nothing of what is returned; ours."""
_SAME = {
    "check": "is", "has": "is", "are": "is", "contains": "is", "delete": "remove", "drop": "remove", "maximum": "max",
    "largest": "max", "highest": "max", "biggest": "max", "minimum": "min", "smallest": "min", "lowest": "min",
    "total": "sum", "add": "sum", "mean": "average", "num": "number", "str": "string", "char": "character",
    "unique": "distinct", "order": "sort", "sorted": "sort", "reversed": "reverse", "invert": "reverse",
}  # fmt: skip
"""Words of names that say the same; ours."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name, parameters and result.

    Args:
        name: in snake case.
        line: `def name(a: int, b: list[int]) -> bool:`.
    """

    name: str
    line: str


def signature_in(text: str) -> Signature | None:
    """The first signature in a line, whatever stands around it; None where there is none that is Python.

    `def` and the colon may be missing; a name in camel case is written in snake case. There are at most 8 parameters,
    none of them `self`, `*` or with a default that is no constant.
    """
    found = _FOUND.search(" ".join(text[:_LINE].replace("`", " ").replace("**", " ").replace("\x00", " ").split()))
    if found is None:
        return None
    name = _CAMEL.sub("_", found["name"]).lower().strip("_")
    if not _NAME.match(name) or len(name) > LONGEST or keyword.iskeyword(name):
        return None
    params = _closed(found["params"])
    result = (found["result"] or "").strip()
    rest = found["params"][len(params) :]
    if not result and "->" in rest:
        result = rest.partition("->")[2].partition(":")[0].strip()
    for said in (result, result.split(" ")[0], ""):
        if line := _line(name, params, said):
            return Signature(name, line)
    return None


def tokens_of(name: str) -> list[str]:
    """A name's words, small, a plural's s aside: `countEvenNumbers` and `count_even_number` have the same."""
    words = [word for word in _CAMEL.sub("_", name).lower().split("_") if word]
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]


def meaning_of(name: str) -> str:
    """What a name says, whatever the order of its words: sorted, without fillers, of words that mean the same one."""
    words = {_SAME.get(word, word) for word in tokens_of(name) if word not in _FILLERS}
    return " ".join(sorted(words)) or "_".join(tokens_of(name))


def _closed(params: str) -> str:
    """The parameters up to the bracket that closes them."""
    depth = 0
    for at, char in enumerate(params):
        depth += (char in "([{") - (char in ")]}")
        if not depth:
            return params[: at + 1]
    return params


def _line(name: str, params: str, result: str) -> str:
    """The signature as Python writes it, or ''."""
    tree = parse(f"def {name}{params}{f' -> {result}' if result else ''}: pass").tree
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        return ""
    node = tree.body[0]
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    plain = all(isinstance(one, (ast.Constant, type(None))) for one in (*given.defaults, *given.kw_defaults))
    if given.vararg or given.kwarg or "self" in names or not 1 <= len(set(names)) == len(names) <= 8 or not plain:
        return ""
    if node.returns is not None and not all(isinstance(one, _TYPES) for one in ast.walk(node.returns)):
        return ""
    said = ast.unparse(given)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {name}({said}){returns}:"
