"""Prompts for blog posts, for six audiences."""

from __future__ import annotations

from typing import ClassVar

from hornbook.stages.prompts._building import Built


class Blogpost(Built):
    """Prompts for blog posts, each for an audience, from extracts or topics.

    The method is Cosmopedia's (huggingface/cosmopedia, web samples: inform, engage, illustrate); the words are
    our own. What an audience changes is what is asked for: length, vocabulary, examples, structure, what may be
    assumed.

    Seeds are rows with `text` (an extract, or where it is short a topic or title), and perhaps `topic` or
    `cluster.topic`, `context` (what came before), `passages` (of `text` and `source`) to rely on.
    """

    version: ClassVar[str] = "1"
