"""Basic English words, for prompts that are built from a few words each."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, TEXT
from hornbook.core.stage import Inputs, Source

_LIST = "words.tsv"


class Words(Source):
    """1,500 nouns, verbs and adjectives that a four-year-old knows.

    The method is TinyStories' (arXiv:2305.07759, section 2): about 1,500 basic words, split into nouns,
    verbs and adjectives, keep the stories simple and yet all different. The paper's list was not
    published with it; this one is our own: 750 nouns, 400 verbs and 350 adjectives in `words.tsv`.

    Rows: `id` (`noun-fox`), `text` (the word), `origin` (file and line) and `words.pos` (noun, verb or
    adjective). No word is there twice, so each is used as one part of speech only.

    Other lists (another age, another language) come in through `sources.files`: rows with `text` and
    `words.pos`.
    """

    def shards(self, inputs: Inputs) -> list[Any]:
        """One item: the list is 17 kB."""
        return [_LIST]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The list in its own order: nouns, verbs, adjectives, each sorted."""
        lines = (files(__package__) / item).read_text(encoding="utf-8").splitlines()
        words, parts = zip(*(line.split("\t") for line in lines), strict=True)
        yield pa.table(
            {
                ID: [f"{part}-{word}" for word, part in zip(words, parts, strict=True)],
                TEXT: list(words),
                ORIGIN: [f"{item}:{number}" for number in range(1, len(lines) + 1)],
                "words.pos": list(parts),
            }
        )
