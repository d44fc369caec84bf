"""Prompts for stories, forum threads and posts whose matter comes from an instruction."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class StoryFromInstruction(Built):
    """Asks for a story that uses what an instruction is about, for those who learn common sense from it.

    The method is Cosmopedia's stories split (huggingface/cosmopedia, prompts/stories): instructions of people, the
    first 1,000 characters, in five formats: `young_children` (3 to 5 paragraphs, dialogue, a twist), `morality`,
    `problem_solving`, `forum`, `reddit`. The words are our own. Every format forbids stock openings, and says by
    draw how to begin, who is in it and what turns it.

    Seeds: rows with `text`, an instruction or a question, as `sources.instructions` makes them.
    """

    version: ClassVar[str] = "1"
