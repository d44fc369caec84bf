from __future__ import annotations

import pytest

from hornbook.stages.quality._reaching import REACHES, seen
from hornbook.stages.quality.code_style import CodeStyle
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.driving import documents, mark, outcome

GOOD = 'def area(r):\n    """Area of a circle."""\n    return 3.14 * r * r  # pi r squared\n'
PLAIN = (
    'def add(a, b):\n    """Sum."""\n    total = a\n    total += b\n    total += 0\n    return total\n' + "x = 1\n" * 9
)
PROGRAMS = {
    "good": GOOD,
    "hollow": 'def f():\n    """To do."""\n    raise NotImplementedError("later")\n',
    "star": "from math import *\nx = sin(1)\n",
    "numpy": "import numpy as np\nx = np.zeros(3)\n",
    "fetches": "from urllib.request import urlopen\nx = urlopen('http://example.org')\n",
    "writes": "with open('a.txt', 'w') as f:\n    f.write('x')\n",
    "removes": "from os import remove as rm\nrm('a.txt')\n",
    "asks": "name = input('Who? ')\n",
    "starts": "import os\nos.system('ls')\n",
    "evals": "x = eval('1 + 1')\n",
    "foreign": "import ctypes\n",
    "prose": "no program at all",
    "comments": "# " + "a" * 200 + "\nx = 1\n",
}
REASONS = {
    "hollow": "hollow", "star": "star_import", "numpy": "third_party", "fetches": "network", "writes": "files",
    "removes": "files", "asks": "input", "starts": "processes", "evals": "dynamic", "foreign": "foreign",
    "comments": "many_comments",
}  # fmt: skip
EXAMPLE = Example(
    knobs={"min_comments": 0.01, "min_documented": 0.01},
    rows=[{"id": key, "text": text} for key, text in (PROGRAMS | {"plain": PLAIN}).items()],
    golden={"1": "98e07f4fdfa5358a6f1d0c615775e588"},
)


def test_each_fault_has_its_reason() -> None:
    kept, gone = outcome(CodeStyle(), documents(list(PROGRAMS.values()), list(PROGRAMS)), size=3)
    assert kept == ["good", "prose"], "what is no program is quality.parses' to drop"
    assert {key: reason for key, (reason, _) in gone.items()} == REASONS


def test_switches_let_through_what_they_name() -> None:
    rows = documents(list(PROGRAMS.values()), list(PROGRAMS))
    lenient = CodeStyle(hollow=False, star_import=False, third_party=False, reaching=(), max_comments=1.0)
    assert outcome(lenient, rows)[1] == {}
    some = outcome(CodeStyle(reaching=("network",)), rows)[1]
    assert set(REASONS) - set(some) == {"writes", "removes", "asks", "starts", "evals", "foreign"}


@pytest.mark.parametrize(
    ("knobs", "text", "reason"),
    [
        ({"min_lines": 4}, GOOD, "too_short"),
        ({"max_lines": 2}, GOOD, "too_long"),
        ({"max_function": 2}, GOOD, "long_function"),
        ({"min_comments": 0.9}, GOOD, "few_comments"),
        ({"min_documented": 0.6}, GOOD + "def bare():\n    return 1\n", "undocumented"),
        ({"min_lines": 3, "max_lines": 3, "max_function": 3, "min_documented": 1.0}, GOOD, ""),
    ],
)
def test_limits_are_inside_what_is_kept(knobs: dict[str, float], text: str, reason: str) -> None:
    _, gone = outcome(CodeStyle(**knobs), documents([text]))
    assert gone.get("d0", ("",))[0] == reason


def test_abstract_and_overloaded_functions_may_be_empty() -> None:
    text = "from abc import abstractmethod\nclass A:\n    @abstractmethod\n    def f(self): ...\n"
    assert seen(text).hollow is False
    assert seen("def f(): ...").hollow is True
    assert seen("def f():\n    'said'\n    return 1").hollow is False


def test_names_are_followed_through_imports_and_mere_mentions_are_no_use() -> None:
    assert seen("import subprocess as s").reaches == {"processes"}
    assert seen("from os import path\npath.join('a', 'b')").reaches == set()
    assert seen("from os import system as s\ns('ls')").reaches == {"processes"}
    assert seen("from .socket import x").reaches == set()
    assert seen("def open_all(x): return x.open()").reaches == set()
    assert seen("'import socket'").reaches == set()


def test_hostile_text_is_a_row_like_any_other() -> None:
    rows = mark(CodeStyle(), documents(list(HOSTILE.values())), size=5)
    assert rows.num_rows == len(HOSTILE)
    assert {f"style.{name}" for name in REACHES} < set(rows.column_names)
