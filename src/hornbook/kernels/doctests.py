"""Examples in docstrings as checks: what stands behind `>>>` becomes asserts.

Examples are read as doctest does (docs.python.org/3/library/doctest.html): a value is held against its `repr`, an
exception against its class and message, what the example prints against its output; `+ELLIPSIS`,
`+NORMALIZE_WHITESPACE`, `+IGNORE_EXCEPTION_DETAIL` and `+SKIP` hold. Looser than doctest in four things: `>>>f(2)`
without a blank is an example, `None` may be written for a value that is None, tabs and indentation need not agree
between examples, and a set is compared as a set, since its order is chance.

Checks are for another process, which has the program's functions by name and gets their values: what the program itself
prints is not seen there, so the example of a function that prints its answer does not hold.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hornbook.kernels.parsing import parse

LONGEST, MOST = 100_000, 200
"""Characters of a docstring that are looked at, and examples of a program; ours."""
_SOURCE = 10_000
"""Characters of an example; ours."""
_NO_BLANK = re.compile(r"^([ \t]*>>>)(?=[^\s>])", re.MULTILINE)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_PARSER = doctest.DocTestParser()


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a docstring.

    Args:
        of: whose docstring it stands in: `f`, `Stack.push`, or empty for the module's.
        source: what stands behind `>>>` and `...`.
        want: what is to be printed, '' for nothing.
        raises: what is to be raised, `ValueError: negative`, or None.
        flags: doctest's option flags.
    """

    of: str
    source: str
    want: str
    raises: str | None
    flags: int


def examples_of(text: str) -> list[Example]:
    """The examples in the docstrings of a module, its functions, classes and their methods, in their order.

    Never raises: what is no Python has none.
    """
    tree = parse(text).tree
    return [] if tree is None else _examples(tree)


def checks_of(text: str, *, by_value: bool = False) -> str:
    """Python that holds a program to the examples in its docstrings; '' where it has none.

    Never raises: what is no Python has no examples. An example that is none itself is a check that fails.

    Args:
        text: the program.
        by_value: where a Python literal is wanted, compare with the literal's own `repr`: `"b"` and `[1,2]` are as good
            as `'b'` and `[1, 2]`. Off: as doctest.
    """
    tree = parse(text).tree
    found = [] if tree is None else _examples(tree)
    if tree is None or not found:
        return ""
    known, printing = _defined(tree), _printing(tree)
    blocks = []
    for at, of in enumerate(dict.fromkeys(example.of for example in found)):
        mine = [example for example in found if example.of == of]
        blocks.append(_block(mine, known, printing, by_value, at))
    body = "\n".join(blocks)
    imports = [f"import {name}" for name in ("contextlib", "doctest", "io") if f"{name}." in body]
    return "\n".join([*imports, body]) + "\n"


def some_examples(docstring: str, most: int) -> str:
    """A docstring with its first so many examples, none of them twice: small models repeat one until they are stopped.

    What stands between and after them stays; the last one goes if its value is missing because the text ends there.
    """
    parts = re.split(r"(?m)^(?=[ \t]*>>>)", docstring[:LONGEST])
    kept, seen = [parts[0]], set[str]()
    for at, part in enumerate(parts[1:], 1):
        call = part.partition("\n")[0].strip()
        cut = at == len(parts) - 1 and not part.strip().partition("\n")[2]
        if call not in seen and len(seen) < most and not cut:
            kept.append(part)
            seen.add(call)
        elif "\n\n" in part.strip():
            kept.append(part.strip().partition("\n\n")[2] + "\n")
    return "".join(kept).rstrip()


def _examples(tree: ast.Module) -> list[Example]:
    found: list[Example] = []
    for of, docstring in _docstrings(tree):
        clean = _NO_BLANK.sub(r"\1 ", inspect.cleandoc(docstring[:LONGEST]))
        try:
            given = _PARSER.get_examples(clean)
        except ValueError:
            given = [one for part in re.split(r"(?m)^(?=[ ]*>>>)", clean) for one in _alone(part)]
        for one in given:
            flags = sum(flag for flag, on in one.options.items() if on)
            if not flags & doctest.SKIP:
                found.append(Example(of, one.source, one.want, one.exc_msg, flags))
        if len(found) >= MOST:
            break
    return found[:MOST]


def _alone(part: str) -> list[doctest.Example]:
    """The example of a part whose indentation does not agree with itself, if it can be read without."""
    for tried in (part, "\n".join(line.strip() for line in part.splitlines())):
        try:
            return _PARSER.get_examples(tried)
        except ValueError:
            continue
    return []


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, docstring) of the module and of what can be named from outside."""
    below: list[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = [("", tree)]
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            below.append((node.name, node))
        if isinstance(node, ast.ClassDef):
            methods = [one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
            below += [(f"{node.name}.{one.name}", one) for one in methods]
    for name, one in below:
        if docstring := ast.get_docstring(one, clean=False):
            yield name, docstring


def _defined(tree: ast.Module) -> set[str]:
    """Names that stand in the module, and Python's own."""
    found = set(dir(builtins))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _printing(tree: ast.Module) -> set[str]:
    """Functions and classes that call `print`, and `print`."""
    found = {"print"}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and _calls(node, {"print"}):
            found.add(node.name)
    return found


def _calls(tree: ast.AST, names: set[str]) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        for node in ast.walk(tree)
    )


def _block(examples: Sequence[Example], known: set[str], printing: set[str], by_value: bool, at: int) -> str:
    """The checks of one docstring; within a function where its examples set names, which no other's may see."""
    lines = [line for one in examples for line in _check(one, printing, by_value)]
    body = "\n".join(lines)
    tree = parse(body).tree
    bound = set() if tree is None else _bound(tree)
    if not bound:
        return body
    given = ", ".join(f"{name}={name}" for name in sorted(bound & known))
    indented = "\n".join(f"    {line}" for line in lines)
    whole = f"def _examples_{at}({given}):\n{indented}\n_examples_{at}()"
    return body if parse(whole).tree is None else whole


def _bound(tree: ast.Module) -> set[str]:
    """Names that statements set, the checks' own aside."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(name.asname or name.name).partition(".")[0] for name in node.names}
    return found - {"_printed", "_value", "_got"}


def _check(example: Example, printing: set[str], by_value: bool) -> list[str]:
    """The lines of one example."""
    tree = parse(example.source[:_SOURCE]).tree if len(example.source) <= _SOURCE else None
    if tree is None or not tree.body:
        return [f"assert False, {_quoted('not Python: ' + example.source.strip()[:200])}"]
    try:
        if example.raises is not None:
            return _raised(tree, example)
        only = tree.body[0] if len(tree.body) == 1 else None
        if isinstance(only, ast.Expr) and not _calls(only, printing):
            return _valued(ast.unparse(only.value), example, by_value)
        if not example.want and not any(isinstance(node, ast.Expr) for node in tree.body):
            return ast.unparse(tree).splitlines()
        return _printed(tree, example)
    except RecursionError:
        return [f"assert False, {_quoted('nested too deeply: ' + example.source.strip()[:80])}"]


def _valued(said: str, example: Example, by_value: bool) -> list[str]:
    """A value is held against its repr; where it does not hold, what it is stands in the message."""
    want = example.want.removesuffix("\n")
    if want in ("", "None"):
        return [f"assert (_got := {said}) is None, _got"]
    if example.flags & _FLAGS or "<BLANKLINE>" in want:
        return [f"assert {_like(f'(_got := repr({said}))', want, example.flags)}, _got"]
    if want in ("0", "1"):  # doctest takes True for 1
        return [f"assert (_got := repr({said})) in ({_quoted(want)}, {_quoted(str(want == '1'))}), _got"]
    value, literal = _literal(want)
    if literal and isinstance(value, (set, frozenset)):
        return [f"assert (_got := {said}) == {want}, _got"]
    return [f"assert (_got := repr({said})) == {_quoted(repr(value) if by_value and literal else want)}, _got"]


def _literal(want: str) -> tuple[object, bool]:
    """(the value, whether it is a literal)."""
    tree = parse(want).tree if len(want) <= _SOURCE else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None, False
    try:
        return ast.literal_eval(tree.body[0].value), True
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None, False


def _raised(tree: ast.Module, example: Example) -> list[str]:
    """An exception is held against its class and message."""
    name, colon, message = (example.raises or "").strip().partition(":")
    name = name.strip().rpartition(".")[2]
    lines = [f"    {line}" for line in ast.unparse(tree).splitlines()]
    if example.flags & doctest.IGNORE_EXCEPTION_DETAIL:
        held = f"type(_raised).__name__ == {_quoted(name)}"
    elif example.flags & _FLAGS:
        held = f"type(_raised).__name__ == {_quoted(name)} and {_like('str(_raised)', message.strip(), example.flags)}"
    else:
        said = message.removeprefix(" ") if colon else ""
        held = f"(type(_raised).__name__, str(_raised)) == ({_quoted(name)}, {_quoted(said)})"
    nothing = f"    raise AssertionError({_quoted(f'{name} was to be raised')})"
    return ["try:", *lines, "except Exception as _raised:", f"    assert {held}", "else:", nothing]


def _printed(tree: ast.Module, example: Example) -> list[str]:
    """What is printed, by the example itself or as the repr of its values, is held against what is wanted."""
    lines = []
    for node in tree.body:
        if isinstance(node, ast.Expr):
            lines += [f"_value = {ast.unparse(node.value)}", "if _value is not None:", "    print(repr(_value))"]
        else:
            lines += ast.unparse(node).splitlines()
    with_ = "with contextlib.redirect_stdout(io.StringIO()) as _printed:"
    want = example.want
    if example.flags & _FLAGS or "<BLANKLINE>" in want:
        held = _like("_printed.getvalue()", want, example.flags, line="")
    else:
        held = f"_printed.getvalue() == {_quoted(want)}"
    return [with_, *(f"    {line}" for line in lines), f"assert {held}"]


def _like(said: str, want: str, flags: int, line: str = ' + "\\n"') -> str:
    """doctest's own comparison, for its flags."""
    wanted = want if want.endswith("\n") or not line else want + "\n"
    return f"doctest.OutputChecker().check_output({_quoted(wanted)}, {said}{line}, {flags & _FLAGS})"


def _quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where that needs no escapes, on one line."""
    said = repr(text)
    plain = said[1:-1]
    return f'"{plain}"' if said[0] == "'" and '"' not in plain and "\\'" not in plain else said
