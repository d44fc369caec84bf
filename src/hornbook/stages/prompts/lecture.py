"""Prompts for lectures, for six audiences."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class Lecture(Built):
    """Prompts for lectures, text to be spoken, each for an audience, from topics, units or extracts.

    The method is phi's and Cosmopedia's topic and audience (arXiv:2306.11644, section 2.2;
    huggingface/cosmopedia); the spoken form is our own; the words are our own. What an audience changes is what
    is asked for: length, vocabulary, examples, structure, what may be assumed.

    Seeds are rows with `text` (an extract, or where it is short a topic or title), and perhaps `topic` or
    `cluster.topic`, `context` (what came before), `passages` (of `text` and `source`) to rely on.
    """

    version: ClassVar[str] = "1"
