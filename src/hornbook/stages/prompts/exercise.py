"""Prompts for exercises: a function's signature becomes a docstring with examples and a body."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class Exercise(Built):
    """Prompts for exercises in Python, one a signature: the teacher is to write docstring, examples and body.

    After phi-1's CodeExercises (arXiv:2306.11644, section 2.3): a docstring of a function to be completed, made
    different by the function's name. The words and the three kinds (plain, in a situation, about edge cases) are ours.

    Seeds are rows with `code.signature` (sources.names, sources.signatures), and perhaps `code.topic` and
    `code.difficulty`. A prompt keeps these and `entry_point`, which generate.exercise and quality.code_runs need.
    """

    version: ClassVar[str] = "1"
    carries: ClassVar[tuple[str, ...]] = ("entry_point", "code.signature", "code.topic", "code.difficulty")
