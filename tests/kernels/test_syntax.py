from __future__ import annotations

import pytest

from hornbook.kernels.parsing import parse
from hornbook.kernels.syntax import Constants, Function, Names, functions


def trees(source: str, names: Names = "free", constants: Constants = "types", tidy: bool = True) -> list[Function]:
    tree = parse(source).tree
    assert tree is not None, parse(source).fault
    return list(functions(tree, names, constants, tidy, 1000))


def one(source: str, names: Names = "free", constants: Constants = "types", tidy: bool = True) -> list[str]:
    [found] = trees(source, names, constants, tidy)
    return found.labels


PLAIN = "def f(a, b):\n    c = a < b\n    return max(c, 1)\n"


def test_postorder_with_leftmost_leaves() -> None:
    [found] = trees("def f(a):\n    return a.b + 1\n")
    assert found.labels == [
        "arg", "arguments", "Constant int", "Name", "Attribute .b", "BinOp Add", "Return", "FunctionDef",
    ]  # fmt: skip
    assert found.left == [0, 0, 2, 3, 3, 2, 2, 0]
    assert (found.name, found.first, found.last) == ("f", 1, 2)


@pytest.mark.parametrize(
    "same",
    [
        "def other(x, y):\n    z = x < y\n    return max(z, 1)\n",
        'def f(a, b):\n    """Says what is larger."""\n    # why\n    c = a < b\n    "more"\n    return max(c, 1)\n',
        "@cached\ndef f(a: int, b: int) -> bool:\n    pass\n    c: bool = a < b\n    return max(c, 1)\n",
        "def f(a, b):\n    c = a < b\n    return max(c, 2)\n",
        "def f(a, b):\n    c = b > a\n    return max(c, 1)\n",
        "def f(a, b):\n    c = a < b\n    d = max(c, 1)\n    return d\n",
    ],
    ids=["renamed", "docstring", "hints", "constant", "turned", "result named"],
)
def test_what_does_not_count(same: str) -> None:
    assert one(same) == one(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        "def f(a, b):\n    c = a < b\n    return min(c, 1)\n",
        "def f(a, b):\n    c = a <= b\n    return max(c, 1)\n",
        'def f(a, b):\n    c = a < b\n    return max(c, "1")\n',
    ],
    ids=["another function is called", "another operator", "another type"],
)
def test_what_counts(other: str) -> None:
    assert one(other) != one(PLAIN)


def test_names_and_constants_as_asked_for() -> None:
    renamed, swapped = PLAIN.replace("c", "d"), PLAIN.replace("c, 1", "1, c")
    assert one(renamed, "kept") != one(PLAIN, "kept")
    assert one(renamed, "order") == one(PLAIN, "order")
    assert one(PLAIN.replace("max(c, 1)", "max(a, 1)"), "order") != one(PLAIN, "order")
    assert one(PLAIN.replace("max(c, 1)", "max(a, 1)"), "free") == one(PLAIN, "free")
    assert one(PLAIN.replace("max", "min"), "none") == one(PLAIN, "none")
    assert one(PLAIN.replace("1", "2"), constants="values") != one(PLAIN, constants="values")
    assert one(PLAIN.replace("1", "'1'"), constants="none") == one(PLAIN, constants="none")
    assert one(swapped) != one(PLAIN), "arguments have an order"


@pytest.mark.parametrize(
    ("form", "tidied"),
    [
        ("x = x + y", "x += y"),
        ("x = y.z * 2", "x = 2 * y.z"),
        ("x = y and z()", "x = z() and y"),
        ("x = y[0] == z", "x = z == y[0]"),
    ],
)
def test_tidying_gives_one_form(form: str, tidied: str) -> None:
    with_y = "def f(x, y, z):\n    {}\n    return x, y\n"
    assert one(with_y.format(form)) == one(with_y.format(tidied))
    assert one(with_y.format(form), tidy=False) != one(with_y.format(tidied), tidy=False)


@pytest.mark.parametrize("order", ["y - z.a", "y / z.a", "y < z.a", "f(y, z.a)"])
def test_tidying_keeps_what_has_an_order(order: str) -> None:
    source = "def g(y, z):\n    return {}\n"
    back = order.replace("z.a", "?").replace("y", "z.a").replace("?", "y")
    assert one(source.format(order)) != one(source.format(back))


def test_functions_inside_others_and_modules_without() -> None:
    source = "class A:\n    def f(self):\n        def g(x):\n            return x\n        return g\n"
    source += "if a:\n    def h(): return 1\n"
    assert [(found.name, found.first, found.last) for found in trees(source)] == [("f", 2, 5), ("g", 3, 4), ("h", 7, 7)]
    [module] = trees("x = 1\nprint(x)\n")
    assert (module.name, module.labels[-1]) == ("", "Module")
    assert trees("") == []
    tree = parse("def f(x):\n    return x + 1\n\ndef g(): return 1\n").tree
    assert tree is not None
    assert [found.name for found in functions(tree, "free", "types", True, 5)] == ["g"]
