"""kernels.signatures: lines that hold a signature are read, and names that say the same are one."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.kernels.signatures import meaning_of, signature_in, tokens_of


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("def sum_list(numbers: list[int]) -> int:", "def sum_list(numbers: list[int]) -> int:"),
        ("1. `sum_list(numbers: list[int]) -> int` - the sum", "def sum_list(numbers: list[int]) -> int:"),
        ("- def sumList(numbers : list[int])->int: pass", "def sum_list(numbers: list[int]) -> int:"),
        ("merge(a: list[int], b=None)", "def merge(a: list[int], b=None):"),
        ("**is_prime(n: int) -> bool**", "def is_prime(n: int) -> bool:"),
        ("count(text: str) -> dict[str, int]: words (see below)", "def count(text: str) -> dict[str, int]:"),
        ("pick(x: 'int | None') -> int | None", "def pick(x: 'int | None') -> int | None:"),
    ],
)
def test_a_signature_is_read_whatever_stands_around_it(line, found):
    assert signature_in(line).line == found
    assert signature_in(line).name == found[4 : found.index("(")]


@pytest.mark.parametrize(
    "line",
    ["", "hello", "hello (see below)", "def f():", "def f(*a):", "def f(self, x):", "def f(x=[]):", "def class(x):",
     "f(a, a)", "def __init__(x):", "f(" + "a" * 10_000, "f" * 200 + "(x)", "def 数(x):", "print('hi', x)"],
)  # fmt: skip
def test_what_is_no_signature_of_an_exercise_is_none(line):
    assert signature_in(line) is None


@given(st.text(max_size=120))
def test_any_text_gives_a_signature_that_parses_or_none(text):
    found = signature_in(text)
    if found:
        node = ast.parse(found.line + " pass").body[0]
        assert node.name == found.name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("count_even_numbers", "countEvenNumber", True),
        ("find_max_in_list", "get_maximum", True),
        ("list_find_largest", "compute_max_of_array", True),
        ("sum_prices", "total_price", True),
        ("count_even_numbers", "count_odd_numbers", False),
        ("is_prime", "has_prime", True),
        ("class_size", "clas_size", False),
    ],
)
def test_names_that_say_the_same_have_one_meaning(one, other, same):
    assert (meaning_of(one) == meaning_of(other)) is same


def test_words_of_a_name():
    assert tokens_of("countEvenNumbers") == ["count", "even", "number"]
    assert meaning_of("list_of") != ""
