"""Prompts for questions with answers, worked problems, dialogues and lessons with exercises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from hornbook.stages.prompts._building import Built
from hornbook.stages.prompts._extracts import says_something


class Qa(Built):
    """Asks for questions with answers about a seed, for one of six audiences.

    Formats: `diverse_qa` (questions of different kinds), `worked_problems` (a lesson of problems solved step by step),
    `dialogue` (a conversation in which questions lead on), `quiz_lesson` (a lesson, exercises, worked answers). An
    audience says what may be asked, how long and how exact an answer is, and what a problem is about.

    Seeds: rows with `text` (an extract, or a topic where it is short) or `topic`, perhaps `context` and `passages`.
    """

    version: ClassVar[str] = "1"
    reads_also: ClassVar[tuple[str, ...]] = ("cluster.topic",)

    def more(self, piece: pa.Table) -> Mapping[str, Sequence[Any]]:
        """`material`: whether a seed has a text or a topic."""
        return {"material": material(piece)}


def material(piece: pa.Table) -> list[bool | None]:
    """Whether each seed has something to write about: a text or a topic; None where it has not."""
    names = [name for name in ("text", "topic", "cluster.topic") if name in piece.column_names]
    columns = [piece.column(name).to_pylist() for name in names]
    return [
        any(isinstance(value, str) and says_something(value[:2000]) for value in values) or None
        for values in zip(*columns, strict=True)
    ] or [None] * piece.num_rows
