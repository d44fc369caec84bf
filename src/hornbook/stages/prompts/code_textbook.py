"""Prompts for textbooks of programming, code and prose interleaved: seven forms, five audiences."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class CodeTextbook(Built):
    """Prompts for texts that teach a topic of programming in Python, code and prose taking turns, each for an audience.

    phi-1's synthetic textbooks (arXiv:2306.11644, section 2.2) are text interleaved with code, made different by topic
    and audience; its prompts were not published. Forms and words are our own: lesson, worked example, tutorial,
    questions and answers, exercises with solutions, code review, the story of a bug. Audiences are told apart by what
    they can do already: first_coder, school_coder, student_coder, data_worker, engineer.

    Seeds are rows with a topic: `text` where it is short (those of shipped:code/topics.jsonl), or `topic`; perhaps
    `passages` to rely on.
    """

    version: ClassVar[str] = "1"
