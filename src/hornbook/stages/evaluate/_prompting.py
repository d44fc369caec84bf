"""What stands before an answer: a problem as a model that goes on with texts is given it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from hornbook.core.errors import UserError
from hornbook.store.problems import Problem, Problems

Form = Literal["paper", "docstring"]
CODEX = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Codex, arXiv:2107.03374, section 2.1: what a function's end is known by."""
_SHOWN = (2, 3, 4)
"""google-research/mbpp, README: the three examples of the paper's prompts."""
_STOPS: dict[Form, tuple[str, ...]] = {
    "paper": ("[DONE]",),
    "docstring": ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n```"),
}


def beginner(problems: Problems, everything: Problems, form: Form, shots: int) -> Callable[[Problem], str]:
    """What makes the text that comes before an answer, without the line feed that ends it.

    HumanEval's prompts are taken as they are, less the white space at their end (bigcode-evaluation-harness,
    `strip_prompt`): an answer then begins with a line feed and its indentation, as a tokenizer has them together.
    MBPP's are those of its paper (arXiv:2108.07732; google-research/mbpp, README), or the task and its first test as a
    docstring (InCoder, arXiv:2204.05999, as in bigcode-evaluation-harness).

    Args:
        problems: those that are asked about.
        everything: those of the whole file, in which the examples are.
        shots: examples before each MBPP task, tasks 2, 3 and 4.

    Raises:
        UserError: an example is not in the file.
    """
    before = ""
    if shots and any(not problem.prompt for problem in problems.every):
        for number in _SHOWN[:shots]:
            shown = everything.find(f"MBPP/{number}")
            if shown is None:
                fix = "shots: 0, or MBPP's whole file: the examples are its tasks 2, 3 and 4"
                raise UserError(f"there is no MBPP/{number} to be shown as an example", where="shots", fix=fix)
            before += f"{_mbpp(shown, form)}\n{shown.solution.strip()}\n{'[DONE]' if form == 'paper' else ''}\n"
    return lambda problem: problem.prompt.rstrip() if problem.prompt else before + _mbpp(problem, form)


def stops_of(problems: Sequence[Problem], form: Form) -> tuple[str, ...]:
    """Where an answer ends, for problems of one kind."""
    return CODEX if all(problem.prompt for problem in problems) else _STOPS[form]


def program_of(problem: Problem, completion: str) -> str:
    """The program that an answer makes: it goes on from the prompt as the file has it, whatever stood before it."""
    return problem.prompt + completion


def _mbpp(problem: Problem, form: Form) -> str:
    if form == "docstring":
        return f'"""\n{problem.task}\n{problem.tests[0]}\n"""'
    tests = "\n".join(problem.tests)
    return (
        f"You are an expert Python programmer, and here is your task: {problem.task} "
        f"Your code should pass these tests:\n\n{tests}\n[BEGIN]"
    )
