"""What a row's tests are, made so that they are run: a test that nobody calls holds whatever the program does."""

from __future__ import annotations

import ast

_UNITTEST = """
import unittest as _unittest
_ran = _unittest.TextTestRunner(verbosity=0).run(
    _unittest.TestSuite(_unittest.defaultTestLoader.loadTestsFromTestCase(_case) for _case in ({cases},))
)
if not _ran.wasSuccessful():
    raise AssertionError(([said for _, said in _ran.failures + _ran.errors] or ["unexpected success"])[0][-300:])
"""


def called(tests: str) -> str:
    """The tests with what only defines them called, as pytest and unittest would.

    Functions of the module named `test…` that need no arguments, and classes derived from `TestCase`, are run at the
    end where the module itself never names them.
    """
    from hornbook.kernels.parsing import parse

    tree = parse(tests).tree
    if tree is None:
        return tests
    named = {
        node.id for part in tree.body if not _defines(part) for node in ast.walk(part) if isinstance(node, ast.Name)
    }
    named |= {"main"} & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    functions = [part.name for part in tree.body if isinstance(part, ast.FunctionDef) and _test(part)]
    cases = [part.name for part in tree.body if isinstance(part, ast.ClassDef) and _case(part)]
    calls = "".join(f"{name}()\n" for name in functions if name not in named)
    left = [name for name in cases if name not in named and "main" not in named]
    return "\n".join([tests, *([calls] if calls else []), *([_UNITTEST.format(cases=", ".join(left))] if left else [])])


def checking(checks: str) -> bool:
    """Whether the checks can fail at all: they assert, call or raise something when they are run."""
    from hornbook.kernels.parsing import parse

    tree = parse(checks).tree
    if tree is None:
        return True
    work = (ast.Assert, ast.Call, ast.Raise)
    return any(isinstance(node, work) for part in tree.body if not _defines(part) for node in ast.walk(part))


def _defines(part: ast.stmt) -> bool:
    return isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _test(part: ast.FunctionDef) -> bool:
    given = part.args
    needed = len(given.posonlyargs) + len(given.args) - len(given.defaults)
    keyword = sum(default is None for default in given.kw_defaults)
    return part.name.startswith("test") and not needed and not keyword and not part.decorator_list


def _case(part: ast.ClassDef) -> bool:
    return any(getattr(base, "attr", getattr(base, "id", "")) == "TestCase" for base in part.bases)
