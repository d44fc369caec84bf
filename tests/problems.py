"""A few problems of our own in the forms of HumanEval's and MBPP's files."""

from __future__ import annotations

import json
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "benchmarks"
"""Where the published files are, on machines that have them."""
MISSING = "needs the published benchmark files, which are not in this folder's shared/data"


def _human(number: int, name: str, takes: str, says: str, body: str, checks: str) -> dict[str, str]:
    return {
        "task_id": f"HumanEval/{number}",
        "prompt": f'def {name}({takes}):\n    """{says}"""\n',
        "entry_point": name,
        "canonical_solution": body,
        "test": f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n{checks}\n",
    }


HUMAN = [
    _human(
        0, "total", "numbers", "The sum of a list of numbers.",
        "    result = 0\n    for number in numbers:\n        result += number\n    return result\n",
        "    assert candidate([]) == 0\n    assert candidate([1, 2, 5]) == 8\n    assert candidate([-3]) == -3",
    ),
    _human(
        1, "biggest", "a, b", "The larger of two numbers.",
        "    if a > b:\n        return a\n    return b\n",
        "    assert candidate(1, 2) == 2\n    assert candidate(2, 1) == 2\n    assert candidate(0, 0) == 0",
    ),
    _human(
        2, "backwards", "text", "A text from its end to its beginning. 倒过来的文字。",
        "    return text[::-1]\n",
        "    assert candidate('abc') == 'cba'\n    assert candidate('') == ''\n    assert candidate('字母') == '母字'",
    ),
]  # fmt: skip
MBPP = [
    {
        "text": "Write a function to double a number.",
        "code": "def double(n):\r\n    return n * 2 ",
        "task_id": 11,
        "test_setup_code": "",
        "test_list": ["assert double(2) == 4", "assert double(0) == 0", "assert double(-1) == -2"],
        "challenge_test_list": [],
    },
    {
        "text": "Write a function to say whether a number is even.",
        "code": "def helper(n):\n    return n % 2\n\ndef is_even(n):\n    return helper(n) == 0\n",
        "task_id": 12,
        "test_setup_code": "two = 2",
        "test_list": ["assert is_even(two)", "assert not is_even(7)"],
        "challenge_test_list": [],
    },
]


def lines(rows: list[dict]) -> str:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)
