"""What a reply to a problem comes to: the text that goes on from its prompt."""

from __future__ import annotations

from hornbook.kernels.code_text import code_of, completed
from hornbook.store.problems import Problem


def completion_of(problem: Problem, reply: str) -> str:
    """A completion as openai/human-eval's samples have it: put behind the prompt it is the program.

    Code is taken out of its fences and the words around it. A function that was written once more with its head stands
    behind the prompt as a second definition, which is the one that holds; a body gets its indentation back. What holds
    no Python is left as it is, and will not compile.
    """
    if not problem.prompt:
        return code_of(reply, problem.entry_point) or reply
    whole = completed(problem.prompt, reply, problem.entry_point)
    head = problem.prompt.rstrip("\n")
    if not whole:
        return reply
    return whole.removeprefix(head) if whole.startswith(head) else f"\n\n{whole}"
