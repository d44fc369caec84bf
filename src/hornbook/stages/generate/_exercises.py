"""An exercise in steps: what is asked for each, and what the replies have come to."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hornbook.core.asking import Reply
from hornbook.core.knobs import local_path
from hornbook.kernels.code_text import asserts_of, code_of, completed, docstring_of
from hornbook.kernels.doctests import some_examples
from hornbook.kernels.programs import defines, definitions_of, does, head_of, headed

FINAL = ("refusal", "filter", "length", "transport", "rejected")
"""Failures after which nothing more is asked for a row."""
STOP = ["\ndef ", "\nclass ", "\nif __name__", "\n```"]
"""What ends a completion: the next function. OpenAI takes four."""
STOPS = {"summary": ['"""', "\n"], "examples": ['"""'], "tests": ["\n\n"]}
"""What ends the completions of other steps."""
_SHOTS = (
    (
        "def double_all(numbers: list[int]) -> list[int]:",
        '"""Return every number doubled, in the same order.\n\n    >>> double_all([1, 2, 3])\n    [2, 4, 6]\n'
        '    >>> double_all([])\n    []\n    """',
        "return [2 * number for number in numbers]",
        ("assert double_all([5]) == [10]", "assert double_all([-1, 0]) == [-2, 0]"),
    ),
    (
        "def starts_with_vowel(word: str) -> bool:",
        '"""Tell whether the first letter of a word is a vowel.\n\n    >>> starts_with_vowel("apple")\n    True\n'
        '    >>> starts_with_vowel("pear")\n    False\n    """',
        'return word[:1].lower() in ("a", "e", "i", "o", "u")',
        ('assert starts_with_vowel("Ulm") is True', 'assert starts_with_vowel("") is False'),
    ),
)
"""What a model that only completes is shown first. Our own."""
_ABOUT = {"en": " about {topic}", "zh": "（主题：{topic}）"}


@dataclass(frozen=True)
class Task:
    """What a row wants written.

    Args:
        name: the function's.
        signature: its first line, '' where only its prompt knows it.
        topic: of the exercise, or ''.
        language: en or zh.
    """

    name: str
    signature: str
    topic: str
    language: str


@dataclass
class Made:
    """What the replies of a row have come to.

    Args:
        summary: first line of a docstring whose examples are still to come.
        head: signature and docstring, once there is one.
        text: the program.
        tests: asserts.
        at: which step is asked for now; as many as there are: all done. tries: replies for it in vain.
        error, detail: why there is no program.
        stopped: why there are no tests.
    """

    summary: str = ""
    head: str = ""
    text: str = ""
    tests: str = ""
    at: int = 0
    tries: int = 0
    error: str = ""
    detail: str = ""
    stopped: str = ""


def files() -> list[Path]:
    """The shipped words of all steps."""
    return [
        Path(local_path(f"shipped:exercise/{step}.{language}.txt"))
        for step in ("whole", "docstring", "body", "tests")
        for language in ("en", "zh")
    ]


def asked(step: str, task: Task, made: Made, many: int) -> str:
    """A request's text, for a model that chats."""
    about = _ABOUT[task.language].format(topic=task.topic) if task.topic else ""
    call = task.signature.removeprefix("def ").rstrip(":")
    values = {"call": call, "about": about, "signature": task.signature, "head": made.head, "name": task.name}
    return _wording(step, task.language).format(**values, many=many)


@lru_cache(maxsize=8)
def _wording(step: str, language: str) -> str:
    return Path(local_path(f"shipped:exercise/{step}.{language}.txt")).read_text(encoding="utf-8").strip()


def begun(step: str, task: Task, made: Made, shots: int) -> str:
    """A request's text, for a model that only completes: finished functions, then the beginning of this one."""
    parts = []
    for signature, docstring, body, tests in _SHOTS[:shots]:
        said = f"{signature}\n    {docstring}\n    {body}\n"
        parts.append(said + ("\n\n" + "\n".join(tests) + "\n" if step == "tests" else ""))
    if step in ("whole", "summary"):
        parts.append(f'{task.signature}\n    """')
    elif step == "examples":
        parts.append(f'{task.signature}\n    """{made.summary}\n\n    >>> {task.name}(')
    elif step == "body":
        parts.append(made.head)  # without a line feed: a small model then goes on with the body, not behind it
    else:
        parts.append(f"{made.text or made.head}\n\nassert {task.name}(")
    return "\n\n".join(parts)


def replay(
    replies: Sequence[Reply], steps: Sequence[str], task: Task, tries: int, most: tuple[int, int], begins: bool
) -> Made:
    """What some replies have come to.

    Args:
        steps: of whole, docstring, summary, examples, body, tests, in the order that they were asked for.
        tries: how often a step is asked for again.
        most: examples and asserts that are kept.
        begins: they complete what they were given, rather than answer.
    """
    made = Made()
    for reply in replies:
        if made.at >= len(steps):
            break
        step = steps[made.at]
        final = reply.error in FINAL
        said = reply.text
        if step == "tests" and reply.finish == "length":
            said = said.rpartition("\n")[0]  # half an assert may be one that holds
        fault = (reply.error or "", reply.detail) if final else _read(step, said, task, made, most, begins)
        if not fault[0]:
            made.at, made.tries = made.at + 1, 0
            continue
        made.tries += 1
        if not final and made.tries <= tries:
            continue
        if step == "tests":
            made.at, made.stopped = made.at + 1, f"{fault[0]}: {fault[1]}"
            continue
        made.error, made.detail = fault
        break
    return made


def _read(step: str, said: str, task: Task, made: Made, most: tuple[int, int], begins: bool) -> tuple[str, str]:
    """Take what a reply gives; (class of fault, '' for none; what is wrong)."""
    if not said.strip():
        return "empty", "the reply holds no text"
    if step == "summary":
        made.summary = said.strip().partition("\n")[0].partition('"""')[0].strip()
        return ("", "") if any(map(str.isalnum, made.summary)) else ("no_docstring", "there are no words in it")
    if step in ("docstring", "examples"):
        text = docstring_of(said, task.name) if step == "docstring" else _exampled(task, made, said)
        made.head = headed(task.signature, some_examples(text, most[0]))
        return ("", "") if made.head else ("no_docstring", "there is no docstring in it")
    if step == "tests":
        made.tests = asserts_of(f"assert {task.name}({said}" if begins else said, task.name, most[1])
        return ("", "") if made.tests else ("no_tests", f"no assert about {task.name} in it")
    if step == "body":
        made.text = completed(made.head, said, task.name)
        return ("", "") if made.text else ("no_code", "no body in it that parses and returns")
    code = code_of(f'{task.signature}\n    """{said}' if begins else said, task.name)
    if not code:
        return "no_code", "there is no Python in it that parses"
    if not defines(code, task.name):
        return "no_function", f"no function {task.name} in it"
    if not does(code, task.name):
        return "no_code", f"{task.name} has no body that returns"
    made.text = definitions_of(code)
    made.head = head_of(made.text, task.name)
    return ("", "") if made.text else ("no_code", "nothing is left of it but calls")


def _exampled(task: Task, made: Made, said: str) -> str:
    """The docstring of a summary and of examples, the first of which was begun."""
    examples = f"    >>> {task.name}({said}".partition('"""')[0]
    return f"{made.summary}\n\n{textwrap.dedent(examples)}"
