"""Prompts for sections of textbooks: narrative, academic, applied, units of a course, for six audiences."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class Textbook(Built):
    """Prompts for sections of textbooks, each for an audience, from extracts, topics or units of an outline.

    The method is Cosmopedia's (huggingface/cosmopedia, prompts/: web samples, OpenStax, Khan Academy, Stanford) and
    phi's (arXiv:2306.11644, section 2.2: topic and audience make the texts differ); the words are our own. What an
    audience changes is what is asked for: length, vocabulary, examples, structure, what may be assumed.

    Seeds are rows with `text` (an extract, or where it is short a topic), and perhaps `topic` or `cluster.topic`,
    `context` (what came before), `passages` (of `text` and `source`) to rely on.
    """

    version: ClassVar[str] = "1"
