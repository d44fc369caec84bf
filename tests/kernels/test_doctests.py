"""kernels.doctests: checks hold where doctest itself would be content, and fail where it would not."""

import doctest
import io
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.doctests import checks_of, examples_of, some_examples
from tests.corpus import HOSTILE

PROGRAM = '''
def f(x, n=2):
    """Say it.

{examples}
    """
    if isinstance(x, int) and x < 0:
        raise ValueError(f"negative: {{x}}")
    return x * n
'''


def program(*lines):
    return PROGRAM.format(examples="\n".join(f"    {line}" for line in lines))


def holds(text, **how):
    """Whether a program passes its own checks. The programs of this file are ours."""
    names = {}
    exec(text + "\n" + checks_of(text, **how), names)
    return True


def fails(text, **how):
    try:
        return not holds(text, **how)
    except AssertionError:
        return True


def content(text):
    """Whether doctest is content with it."""
    module = types.ModuleType("m")
    exec(text, module.__dict__)
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, "m", module=False, globs=module.__dict__)
    runner = doctest.DocTestRunner(verbose=False)
    out = io.StringIO()
    return not sum(runner.run(test, out=out.write).failed for test in tests)


CASES = [
    (">>> f(2)", "4"),
    (">>> f(2)", "5"),
    (">>> f('a')", "'aa'"),
    (">>> f('a')", '"aa"'),
    (">>> f([1])", "[1, 1]"),
    (">>> f([1])", "[1,1]"),
    (">>> f(0.1, 3)", "0.30000000000000004"),
    (">>> f(0.1, 3)", "0.3"),
    (">>> f(0.1, 3)  # doctest: +ELLIPSIS", "0.3..."),
    (">>> f(-1)", "Traceback (most recent call last):", "    ...", "ValueError: negative: -1"),
    (">>> f(-1)", "Traceback (most recent call last):", "ValueError: negative: -2"),
    (">>> f(-1)", "Traceback (most recent call last):", "KeyError: negative: -1"),
    (">>> f(1)", "Traceback (most recent call last):", "ValueError: negative: -1"),
    (">>> f(-1)  # doctest: +IGNORE_EXCEPTION_DETAIL", "Traceback (most recent call last):", "ValueError: other"),
    (">>> x = f(1)", ">>> x + 1", "3"),
    (">>> x = f(1)", ">>> x + 1", "4"),
    (">>> f = f(1)", ">>> f", "2"),
    (">>> list = [f(1)]", ">>> list", "[2]"),
    (">>> print(f(1))", "2"),
    (">>> print(f(1))", "3"),
    (">>> for i in range(2):", "...     print(f(i))", "0", "2"),
    (">>> for i in range(2):", "...     print(f(i))", "0"),
    (">>> f(True, 1)", "1"),
    (">>> f(1, 1)", "1"),
    (">>> f(2)  # doctest: +SKIP", "5"),
    (">>> f('a b')  # doctest: +NORMALIZE_WHITESPACE", "'a   ba b'"),
    (">>> print('a\\\\n\\\\nb')", "a", "<BLANKLINE>", "b"),
    (">>> None",),
    (">>> f(2)",),
    (">>> f(", "4"),
    (">>> 'it\\\\'s'", '"it\'s"'),
    (">>> f(2) == 4", "True"),
]


@pytest.mark.parametrize("lines", CASES, ids=lambda lines: " ".join(lines)[:50])
def test_checks_hold_exactly_where_doctest_is_content(lines):
    text = program(*lines)
    assert (not fails(text)) is content(text)


VALUES = st.one_of(st.integers(-50, 50), st.text(max_size=6), st.lists(st.integers(0, 9), max_size=4), st.booleans())


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.integers(-50, 50), st.text(max_size=6), st.lists(st.integers(0, 9), max_size=4), st.booleans(), st.none()
    ),
    st.one_of(st.integers(-50, 50), st.text(max_size=6), st.lists(st.integers(0, 9), max_size=4), st.booleans()),
)
def test_any_value_is_held_against_its_repr(value, other):
    text = f'def f():\n    r"""\n    >>> f()\n    {value!r}\n    """\n    return {{}}\n'.replace("{}", repr(value))
    assert holds(text)
    wrong = text.replace(f"return {value!r}", f"return {other!r}")
    same = repr(value) == repr(other) or (repr(value), repr(other)) in {("1", "True"), ("0", "False")}
    assert fails(wrong) is not same


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        ((">>>f(2)", "4"), {}),
        ((">>> f('b')", '"bb"'), {"by_value": True}),
        ((">>> f([1])", "[1,1]"), {"by_value": True}),
        ((">>> set(f('ab'))", "{'b', 'a'}"), {}),
        ((">>> [].append(f(1))", "None"), {}),
        (("  >>> f(1)", "  2", ">>> f(2)", "4"), {}),
    ],
)
def test_what_is_forgiven(lines, how):
    assert holds(program(*lines), **how)
    assert examples_of(program(*lines))


@pytest.mark.parametrize("lines", [((">>> f(1)", "2.0")), ((">>> f('b')", '"b"')), ((">>> f((1,))", "[1, 1]"))])
def test_by_value_still_tells_values_and_types_apart(lines):
    assert fails(program(*lines), by_value=True)


def test_examples_of_functions_classes_methods_and_the_module_are_found_in_order():
    text = '''"""M.

>>> 1 + 1
2
"""
class Box:
    """
    >>> Box().get()
    3
    """
    def get(self):
        """
        >>> box = Box()
        >>> box.get()
        3
        """
        return 3
async def late():
    """
    >>> 5
    5
    """
def plain():
    return 1
'''
    assert [one.of for one in examples_of(text)] == ["", "Box", "Box.get", "Box.get", "late"]
    assert holds(text)
    assert fails(text.replace("return 3", "return 4"))


def test_names_that_one_docstring_sets_are_not_seen_by_another():
    text = program(">>> x = f(1)", ">>> x", "2") + '\ndef g():\n    """\n    >>> x\n    2\n    """\n'
    with pytest.raises(NameError):
        holds(text)


def test_repeated_and_cut_examples_go():
    said = "Twice.\n\n>>> f(1)\n2\n>>> f(1)\n2\n>>> f(2)\n4\n\nIt is so.\n>>> f(3)\n6\n>>> f(4)"
    assert some_examples(said, 2) == "Twice.\n\n>>> f(1)\n2\n>>> f(2)\n4\n\nIt is so."
    assert some_examples(said, 9).endswith(">>> f(3)\n6")
    assert some_examples("none", 3) == "none"


NASTY = [
    *HOSTILE.values(),
    "(" * 100_000,
    "-" * 50_000 + "1",
    'def f():\n    """\n' + "    >>> f()\n    1\n" * 30_000 + '    """\n',
    'def f():\n    """\n    >>> ' + "-" * 9_000 + '1\n    1\n    """\n',
    'def f():\n    """' + " " * 500_000 + '>>> f()"""\n',
    'def f():\n    """\n    >>> f()\n  1\n  >>> \n    """\n',
]


@pytest.mark.parametrize("text", NASTY, ids=lambda text: repr(text[:20]))
def test_hostile_text_gives_checks_that_compile_or_none(text):
    compile(checks_of(text), "checks", "exec")
    assert len(examples_of(text)) <= 200
