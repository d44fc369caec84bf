"""Python in what a model says: out of its fences and the words around it, whole functions from bodies, asserts alone.

Nothing is run. What comes out parses, or is ''.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile

from hornbook.kernels.parsing import parse
from hornbook.kernels.programs import DEFINING, Function, defines, functions_of, gives

LONGEST = 40_000
"""Characters of a reply that are looked at; ours, some 10,000 tokens."""
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w+#.-]*)[^\n`]*$", re.MULTILINE)
_PYTHON = ("", "python", "py", "python3", "py3", "python2", "ipython", "pycon")
_BEGINS = re.compile(
    r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*[(:\[]"
    r"|^[ \t]*(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b|@\w)"
    r"|^[ \t]*assert[ \t(]|^[ \t]*\w+[ \t]*=[ \t]*\S",
    re.MULTILINE,
)
_TRIES = 6
"""Times that a text is cut before it is given up, and places in it where code may begin."""


def code_of(reply: str, name: str = "") -> str:
    """The Python program in a reply, ending in a line feed; '' where there is none that parses.

    Looked at are, without what the model thought (up to the last `</think>`), the blocks between code fences, a last
    one that was never closed too, and where none is of use the reply from a line that looks like code on. A block that
    does not parse loses its end, whole statements of the module at a time, as where a reply was cut off.

    Args:
        reply: the reply's text.
        name: the function wanted: the first block that defines it is taken, and with it those before it that define
            other things and parse. Where none does, and without a name, it is the longest block.
    """
    said = _said(reply)
    found = [code for block in _blocks(said) if (code := _parsing(block))]
    if not any(defines(code, name) for code in found):
        found += [code for start in _starts(said) if (code := _parsing(said[start:]))]
    if name:
        for at, code in enumerate(found):
            if defines(code, name):
                helpers = [one for one in found[:at] if _helps(one)]
                whole = "\n".join([*helpers, code])
                return whole if parse(whole).tree else code
    return max(found, key=len, default="")


def docstring_of(reply: str, name: str = "") -> str:
    """The docstring that a reply gives, its text alone, cleaned as `inspect.cleandoc` does; '' where there is none.

    It may stand in the function, between triple quotes, in a fence, or bare.
    """
    said = _said(reply)
    for code in filter(None, (_parsing(block) for block in (*_blocks(said), *(said[at:] for at in _starts(said))))):
        for node in functions_of(code):
            if (not name or node.name == name) and (found := ast.get_docstring(node)):
                return found
    quoted = re.search(r'[rRuU]?("""|\'\'\')(.*?)(?:\1|\Z)', said, re.DOTALL)
    if quoted:
        return _clean(quoted[2])
    blocks = [block for block in _blocks(said) if block.strip()]
    return _clean(blocks[0] if blocks else said)


def completed(head: str, reply: str, name: str) -> str:
    """The program that a head and a reply to it make, ending in a line feed; '' where they make none.

    Args:
        head: imports perhaps, the signature and a docstring: it parses as it stands, if only with a docstring as body.
        reply: the body, or the function once more with its body, its helpers and imports.
        name: the function's.
    """
    code = code_of(reply, name)
    if code and defines(code, name):
        return _spliced(head, code, name)
    said = _said(reply)
    for block in (*_blocks(said), said):
        lines = block.strip("\n").splitlines()
        for first in range(min(len(lines), 4)):  # a word before it, "Here is the body:"
            if first and _BEGINS.match(lines[first - 1]):
                break
            if body := _body(head, lines[first:]):
                return body
    return ""


def asserts_of(reply: str, name: str, most: int = 20) -> str:
    """Asserts about a function, one after another, with what they need; '' where there are none.

    Kept of a reply's statements are asserts that name the function, and assignments and imports before them. Those in
    functions (`def test_…`) are taken out of them; `f(2) == 4` on a line of its own is an assert too; none is twice.

    Args:
        reply: the reply's text.
        name: the function's.
        most: asserts at most.
    """
    said = _said(reply)
    parts = [*_blocks(said), said]
    for part in parts:
        kept, asserts, seen = [], 0, set()
        for node in _statements(part):
            one = _asserted(node, name)
            if one is None or one in seen or asserts >= most:
                continue
            seen.add(one)
            asserts += one.startswith("assert")
            kept.append(one)
        while kept and not kept[-1].startswith("assert"):
            kept.pop()
        whole = "\n".join(kept) + "\n"
        if asserts and parse(whole).tree:
            return whole
    return ""


def _said(reply: str) -> str:
    said = reply[:LONGEST].rpartition("</think>")[2]
    return said.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\ufeff", "")


def _blocks(said: str) -> list[str]:
    """What stands between fences in Python or in no language; a last one may be open."""
    marks = list(_FENCE.finditer(said))
    found = []
    at = 0
    while at < len(marks):
        if at == 0 and len(marks) == 1 and not marks[0][1] and said[: marks[0].start()].strip():
            found.append(said[: marks[0].start()])  # the opening one is missing, unless it is the closing one
        end = marks[at + 1].start() if at + 1 < len(marks) else len(said)
        if marks[at][1].casefold() in _PYTHON:
            found.append(said[marks[at].end() : end].strip("\n"))
        at += 2
    return [block for block in found if block.strip()]


def _starts(said: str) -> Iterator[int]:
    """Places where code may begin: lines that look like it, behind one that does not."""
    last, given = -2, 0
    for found in _BEGINS.finditer(said):
        line = said.count("\n", 0, found.start())
        if line > last + 1:
            given += 1
            yield found.start()
        last = line
        if given == _TRIES:
            return


def _parsing(block: str) -> str:
    """A block as a program that parses: without its common indentation, without an end that is no Python; else ''."""
    text = textwrap.dedent(block.expandtabs(4)).strip("\n") + "\n"
    lines = text.split("\n")
    for _ in range(_TRIES):
        said = "\n".join(lines)
        parsed = parse(said)
        if parsed.tree is not None:
            useful = any(not isinstance(node, ast.Expr) for node in parsed.tree.body)
            return said.strip("\n") + "\n" if useful else ""
        bad = re.match(r"line (\d+)", parsed.fault)
        before = min(int(bad[1]) if bad else 0, len(lines)) - 1
        while before > 0 and (not lines[before] or lines[before][0] in " \t)]}#"):
            before -= 1
        if before <= 0:
            return ""
        lines = lines[:before]
    return ""


def _helps(code: str) -> bool:
    """Whether a block is nothing but definitions and imports."""
    tree = parse(code).tree
    return tree is not None and all(isinstance(node, DEFINING) for node in tree.body)


def _clean(text: str) -> str:
    import inspect

    return inspect.cleandoc(text.replace('"""', "'''")).strip()


def _spliced(head: str, code: str, name: str) -> str:
    """The head with the body of a program's function; the program's other definitions and imports before it."""
    tree = parse(code).tree
    lines = code.split("\n")
    if tree is None:
        return ""
    wanted = next(node for node in tree.body if isinstance(node, Function) and node.name == name)
    body = wanted.body[1:] if ast.get_docstring(wanted, clean=False) is not None else wanted.body
    if not body or wanted.body[0].lineno == wanted.lineno:
        return ""
    before = [
        node
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) and node is not wanted
    ]
    first = _first_line(body[0], wanted, lines)
    inner = lines[first : wanted.end_lineno]
    helpers = [line for node in before for line in [*lines[_top(node) - 1 : node.end_lineno], ""]]
    indent = len(inner[0]) - len(inner[0].lstrip())
    if indent != 4:
        inner = textwrap.indent(textwrap.dedent("\n".join(inner)), "    ").split("\n")
    whole = "\n".join([*helpers, head.rstrip("\n"), *inner]).strip("\n") + "\n"
    return whole if parse(whole).tree is not None else ""


def _top(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _first_line(first: ast.stmt, wanted: Function, lines: Sequence[str]) -> int:
    """Where a body begins, comments before its first statement included; from 0."""
    least = wanted.body[0].end_lineno if wanted.body[0] is not first else wanted.lineno
    at = _top(first) - 1
    while at - 1 >= (least or 0) and lines[at - 1].strip().startswith("#"):
        at -= 1
    return at


def _body(head: str, lines: list[str]) -> str:
    """The head with lines as its body, to the first line that is outside of it; '' where that is no program."""
    given = [line.expandtabs(4) for line in lines]
    if given and given[0].startswith(" "):
        given = list(takewhile(lambda line: not line.strip() or line.startswith(" "), given))
    rows = textwrap.dedent("\n".join(given)).split("\n")
    if not rows or not rows[0].strip():
        return ""
    if len(rows) > 1 and lines and not lines[0].startswith((" ", "\t")):
        inner = next((row for row in rows[1:] if row.strip()), "")
        if inner.startswith("    ") and not rows[0].rstrip().endswith((":", "(", "[", "{", ",", "\\")):
            rows = [rows[0], *(row[4:] if row.startswith("    ") else row for row in rows[1:])]
    above = head.rstrip("\n").count("\n") + 1
    for _ in range(_TRIES):
        whole = head.rstrip("\n") + "\n" + textwrap.indent("\n".join(rows).rstrip(), "    ") + "\n"
        parsed = parse(whole)
        if parsed.tree is not None:
            return _to_its_return(whole, parsed.tree)
        bad = re.match(r"line (\d+)", parsed.fault)
        end = min(int(bad[1]) - above if bad else 0, len(rows)) - 1
        if end <= 0:
            return ""
        rows = rows[:end]
    return ""


def _to_its_return(whole: str, tree: ast.Module) -> str:
    """A program whose last function has a body, without what stands behind its return: words that happen to parse."""
    last = tree.body[-1]
    if not isinstance(last, Function) or not gives(last):
        return ""
    ends = [node.end_lineno for node in last.body if isinstance(node, (ast.Return, ast.Raise))]
    return "\n".join(whole.split("\n")[: ends[0]]) + "\n" if ends else whole


def _statements(part: str) -> Iterator[ast.stmt]:
    """Statements of a text, those within test functions too; line by line where it does not parse as a whole."""
    tree = parse(textwrap.dedent(part)).tree
    if tree is None:
        nodes = [
            node
            for line in part.split("\n")[:500]
            if (one := parse(_plain(line)).tree) is not None
            for node in one.body
        ]
    else:
        nodes = list(tree.body)
    for node in nodes:
        if isinstance(node, Function) and node.name.startswith(("test", "check")):
            yield from node.body
        else:
            yield node


def _plain(line: str) -> str:
    """A line without the number or the dash of a list, back quotes, and a prompt."""
    return re.sub(r"^\s*(?:[-*•]\s+|\d{1,3}[.)]\s+|>>>\s*)?`?|`?\s*$", "", line)


def _asserted(node: ast.stmt, name: str) -> str | None:
    """A statement as it stands in tests, or None where it has no place there."""
    try:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return None if name in [one.name for one in node.names] else ast.unparse(node)
        if isinstance(node, ast.Assign):
            return ast.unparse(node)
        tested = node.test if isinstance(node, ast.Assert) else node.value if isinstance(node, ast.Expr) else None
        if isinstance(node, ast.Expr) and not isinstance(tested, ast.Compare):
            return None
        if tested is None or not _names(tested, name):
            return None
        return f"assert {ast.unparse(tested)}"
    except RecursionError:
        return None


def _names(tree: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
