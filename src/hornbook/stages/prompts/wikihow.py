"""Prompts for how-to articles, for six audiences."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class Wikihow(Built):
    """Prompts for how-to articles, each for an audience, from titles or extracts.

    The method is Cosmopedia's (huggingface/cosmopedia; the script for titles was not published, so that part is
    our own); the words are our own. What an audience changes is what is asked for: length, vocabulary,
    examples, structure, what may be assumed.

    Seeds are rows with `text` (an extract, or where it is short a topic or title), and perhaps `topic` or
    `cluster.topic`, `context` (what came before), `passages` (of `text` and `source`) to rely on.
    """

    version: ClassVar[str] = "1"
