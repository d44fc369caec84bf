"""kernels.code_text: the program is found whatever a model puts around it, and nothing that is no program comes out."""

import ast
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.code_text import asserts_of, code_of, completed, docstring_of
from hornbook.kernels.programs import defines, definitions_of, does, head_of, headed
from tests.corpus import HOSTILE

CODE = 'def f(x: int) -> int:\n    """Add one.\n\n    >>> f(1)\n    2\n    """\n    y = x + 1\n    return y\n'
HEAD = CODE[: CODE.index("    y = ")].rstrip("\n")
BODY = "    y = x + 1\n    return y\n"
INDENTED = "".join(f"    {line}\n" for line in CODE.splitlines())

WRAPPED = {
    "bare": CODE,
    "fenced": f"```python\n{CODE}```",
    "no language": f"Here:\n\n```\n{CODE}```\nDone.",
    "another word": f"~~~py\n{CODE}~~~",
    "prose": f"Sure! This is the function:\n\n{CODE}\nIt adds one to its argument.",
    "open fence": f"Sure.\n```python\n{CODE}",
    "close fence": f"{CODE}```\nThis function adds one.",
    "thought": f"<think>```python\ndef f(x): return 0\n```</think>\n```python\n{CODE}```",
    "usage after": f"```python\n{CODE}```\nUse it:\n```python\nprint(f(1))\n```",
    "shell before": f"```bash\npython x.py\n```\n```python\n{CODE}```",
    "indented": f"```python\n{INDENTED}```",
    "crlf": f"```python\r\n{CODE}```".replace("\n", "\r\n").replace("\r\r", "\r"),
    "cut off": f"```python\n{CODE}\ndef g(x):\n    return (1 +",
    "cut in words": f"```python\n{CODE}\nThis function adds one, so",
    "nul": f"```python\n{CODE}\x00```",
    "list": f"1. The code:\n   ```python\n{CODE}   ```",
}


@pytest.mark.parametrize("said", WRAPPED.values(), ids=WRAPPED)
def test_the_program_is_found_in_what_models_put_around_it(said):
    found = code_of(said, "f")
    assert found.rstrip("\n") == CODE.rstrip("\n")


def test_helpers_in_blocks_before_it_come_along_and_usage_does_not():
    said = f"First\n```python\nimport math\n\ndef g(x):\n    return x\n```\nthen\n```python\n{CODE}```"
    assert code_of(said, "f") == f"import math\n\ndef g(x):\n    return x\n\n{CODE}"
    assert code_of(f"```python\nprint(1)\n```\n```python\n{CODE}```", "f") == CODE


@pytest.mark.parametrize("said", ["", "I would rather not.", "```python\n```", "```python\nf(\n```", "f(1)", "3"])
def test_where_there_is_no_program_nothing_comes_out(said):
    assert code_of(said, "f") == ""


WORDS = st.text(alphabet=st.sampled_from("abc `'\"()[]{}:=#>\n\t\\.é中\x00"), max_size=80)


@settings(max_examples=150, deadline=None)
@given(WORDS, WORDS, st.sampled_from(["python", "py", ""]))
def test_words_around_a_fence_never_hide_the_program_nor_break_it(before, after, language):
    before = before.replace("```", "").replace("~~~", "").replace("`", "")
    said = f"{before}\n```{language}\n{CODE}```\n{after.replace('`', '')}"
    found = code_of(said, "f")
    assert CODE.rstrip("\n") in found
    ast.parse(found)


@settings(max_examples=150, deadline=None)
@given(st.one_of(WORDS, st.text(max_size=60)))
def test_all_that_comes_out_parses(said):
    for found in (code_of(said), code_of(said, "f"), completed(HEAD, said, "f"), asserts_of(said, "f")):
        ast.parse(found)
    head = headed("def f(x):", said)
    if head:
        assert ast.get_docstring(ast.parse(head).body[0]) is not None


@pytest.mark.parametrize(
    "reply",
    [BODY, BODY.replace("    ", ""), "y = x + 1\n    return y", CODE, f"```python\n{CODE}```", f"```python\n{BODY}```",
     f"Here is the body:\n{BODY}", f"{BODY}\nThis is it", f"{BODY}\n\ndef g(x):\n    return 2", f"{BODY}\nprint(f(2))",
     CODE.replace("Add one.", "Something else."), CODE.replace("    ", "  "), BODY.replace("    ", "\t")],
)  # fmt: skip
def test_a_head_and_a_body_make_one_program_however_the_body_comes(reply):
    found = completed(HEAD, reply, "f")
    assert ast.dump(ast.parse(found).body[0]) == ast.dump(ast.parse(CODE).body[0]), found
    assert found.startswith(HEAD)


def test_imports_and_helpers_of_a_reply_stand_before_the_head():
    reply = f"```python\nimport math\n\n@g\ndef h(x):\n    return x\n\n{CODE}\nprint(f(1))\n```"
    assert completed(HEAD, reply, "f") == f"import math\n\n@g\ndef h(x):\n    return x\n\n{CODE}"


@pytest.mark.parametrize(
    "reply", ["", "pass", "...", '"""words"""', "No.", "def g(x):\n    return 1", "\n\n", "return ("]
)
def test_a_reply_without_a_body_makes_none(reply):
    assert completed(HEAD, reply, "f") == ""


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("assert f(1) == 2\nassert f(0) == 1", "assert f(1) == 2\nassert f(0) == 1\n"),
        ("1. `assert f(1) == 2`\n2. f(0) == 1\n- assert f(1) == 2", "assert f(1) == 2\nassert f(0) == 1\n"),
        ("```python\ndef test_f():\n    x = [1]\n    assert f(x[0]) == 2, 'no'\n```", "x = [1]\nassert f(x[0]) == 2\n"),
        ("import math\nassert f(1) == 2\nassert math.pi > 3\nprint(f(1))", "import math\nassert f(1) == 2\n"),
        ("from f import f\nassert g(1) == 2", ""),
        ("assert f(1) ==", ""),
        ("assert f(1) == 2\nassert f(", "assert f(1) == 2\n"),
        ("assert True", ""),
    ],
)
def test_asserts_about_the_function_are_taken_out(reply, found):
    assert asserts_of(reply, "f") == found


def test_at_most_so_many_asserts():
    many = "\n".join(f"assert f({n}) == {n + 1}" for n in range(50))
    assert asserts_of(many, "f", 3) == "assert f(0) == 1\nassert f(1) == 2\nassert f(2) == 3\n"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (CODE, "Add one.\n\n>>> f(1)\n2"),
        (f"```python\n{HEAD}\n```", "Add one.\n\n>>> f(1)\n2"),
        ('"""Add one.\n\n    >>> f(1)\n    2\n    """', "Add one.\n\n>>> f(1)\n2"),
        ('"""Add one.\n\n    >>> f(1)\n    2\n', "Add one.\n\n>>> f(1)\n2"),
        ("Add one.\n\n>>> f(1)\n2", "Add one.\n\n>>> f(1)\n2"),
        ("", ""),
    ],
)
def test_a_docstring_is_found_however_it_comes(reply, found):
    assert docstring_of(reply, "f") == found


@pytest.mark.parametrize("text", ["One.", 'It is "so"', "a\\nb", 'x """ y', "Two\n\n>>> f(1)\n2", "ends in \\", "中文"])
def test_a_head_has_its_docstring(text):
    tree = ast.parse(headed("def f(x):", text))
    assert ast.get_docstring(tree.body[0]).rstrip() == text.replace('"""', "'''")


def test_a_program_is_left_with_what_it_defines():
    rest = 'print(f(1))\nassert f(1) == 2\nif __name__ == "__main__":\n    f(2)\n'
    text = f'"""M."""\nimport os\n\nX = 1\n\n\n{CODE}\n\n{rest}'
    assert definitions_of(text) == f'"""M."""\nimport os\n\nX = 1\n\n\n{CODE}'
    assert head_of(text, "f") == HEAD
    assert defines(text, "f")
    assert not defines(text, "print")
    assert does(text, "f")
    assert not does(HEAD, "f")


@pytest.mark.parametrize(
    ("body", "gives"),
    [("return 1", True), ("print(1)", False), ("return", False), ("yield 1", True), ("raise ValueError", True),
     ("if x:\n        return 2", True), ("def g():\n        return 1", False), ("assert f(1) == 2", False)],
)  # fmt: skip
def test_a_function_that_gives_nothing_back_has_no_body(body, gives):
    assert does(f"def f(x):\n    {body}\n", "f") is gives
    assert bool(completed(HEAD, f"    {body}\n", "f")) is gives
    assert does("def f(x) -> None:\n    x.append(1)\n", "f")


NASTY = [*HOSTILE.values(), "```\n" * 5_000, "def f(" * 5_000, "x = (\n" * 5_000, "(" * 100_000, "assert f(" * 4_000,
         "@a\n" * 2_000, "```python\n" + "-" * 40_000 + "1\n```", '"""' * 9_000]  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=lambda text: repr(text[:20]))
def test_hostile_text_neither_crashes_nor_stalls(text):
    began = time.monotonic()
    for found in (code_of(text, "f"), completed(HEAD, text, "f"), asserts_of(text, "f")):
        ast.parse(found)
    docstring_of(text, "f")
    assert time.monotonic() - began < 20
