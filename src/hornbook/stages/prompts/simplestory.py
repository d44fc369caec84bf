"""Prompts for simple stories from many drawn parameters, without seeds, after SimpleStories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Inputs, Makes, Source
from hornbook.stages.prompts._catalogue import shipped_files
from hornbook.stages.prompts._drawing import draws, key_for
from hornbook.stages.prompts._extracts import line, says_something
from hornbook.stages.prompts._matter import templates_of
from hornbook.stages.prompts._templates import DRAWS, NAMES, Template
from hornbook.stages.prompts._wording import load_yaml

PARAMETERS = ("theme", "topic", "style", "feature", "grammar", "persona", "opening", "letter")
_SIMPLE = "SimpleStories, arXiv:2504.09184"
_OFTEN = "lennart-finke/simple_stories_generate: "
_LISTS = "lists.yaml"
_WORDS = 8
"""Most words of a prompt, for which numbers are drawn."""


class Simplestory(Source):
    """Asks for simple stories, each from a theme, topic, style, feature, beginning, and perhaps grammar and teller.

    The method is SimpleStories' (arXiv:2504.09184): TinyStories' words alone still give 59 % "once upon a time", so
    what is drawn for a prompt goes from what it is about down to how its first word begins. The lists and the words
    of the prompts are our own, in English and Chinese. With the lists shipped there are over 10^12 prompts in each
    language. Prompt n is drawn from the seed and n alone.

    It needs no seeds. With `from:` a step of words (rows with `text`, as `sources.words` makes them) each prompt also
    names `words` of them that must be in the story.

    Rows: `id` (`simplestory-0000017`), `prompt`, `origin`, `prompts.*` as of all prompts stages (`prompts.topic` is
    the topic drawn), `simplestory.theme`, `.topic`, `.style`, `.feature`, `.grammar`, `.persona`, `.opening`,
    `.letter` (strings; grammar and persona null where there is none), `.paragraphs` (int32), `.words` (list of
    strings), `.seeds` (list of strings, the words' ids).

    Raises:
        UserError: a list or template is wrong, or there are seeds and none has a text.
    """

    version: ClassVar[str] = "1"
    needs: ClassVar[tuple[Makes, ...]] = ()

    count: int = knob(200, help="how many prompts", unit="prompts", ge=1)
    language: list[str] = knob(default_factory=lambda: ["en"], help="languages of the prompts, each as likely: en, zh")
    grammar_share: float = knob(
        0.5, help="share of prompts that ask for a form of language", unit="share of prompts", ge=0, le=1,
        source=_OFTEN + "half",
    )  # fmt: skip
    persona_share: float = knob(
        0.67, help="share of prompts that name a teller", unit="share of prompts", ge=0, le=1,
        source=_OFTEN + "two thirds",
    )  # fmt: skip
    least_paragraphs: int = knob(1, help="fewest paragraphs asked for", unit="paragraphs", ge=1, source=_OFTEN + "1")
    most_paragraphs: int = knob(
        9,
        help="most paragraphs asked for, each number as likely; the embedded teacher loses the thread after 2",
        unit="paragraphs",
        ge=1,
        le=100,
        source=_OFTEN + "9",
    )
    words: int = knob(2, help="words of the seeds in each prompt, where there are seeds", unit="words", ge=0, le=_WORDS)
    lists: dict[str, InputPath] = knob(
        default_factory=dict,
        help="lists of your own: language → a YAML file like the shipped templates/en/simplestory/lists.yaml",
    )
    split: str | None = knob(None, help="name of this part of the data, the beginning of ids; unset: the stage's name")
    templates: list[InputPath] = knob(
        default_factory=list, help="a story.jinja or wordings of your own; they take the place of the shipped"
    )
    seed: int = knob(0, help="of the draws; the recipe's seed where unset")

    @field_validator("language", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_be(self) -> Simplestory:
        if not self.language:
            raise ValueError("name at least one language")
        if self.least_paragraphs > self.most_paragraphs:
            raise ValueError("least_paragraphs must not be above most_paragraphs")
        return self

    def rests_on(self) -> Sequence[Path]:
        """The shipped templates, wordings and lists."""
        return shipped_files("simplestory", self.language)

    def shards(self, inputs: Inputs) -> list[Any]:
        """Ranges of prompt numbers, at most 4,096 each."""
        for language in self.language:
            _ = self._lists_of[language], self._template_of[language]
        return [[at, min(at + PIECE_ROWS, self.count)] for at in range(0, self.count, PIECE_ROWS)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The prompts of one range."""
        numbers = np.arange(*item)
        none = np.zeros(numbers.size, np.int64)
        own = draws(key_for(self.seed, "prompts.simplestory", "parameters"), numbers, none, _NEEDED).tolist()
        said = draws(key_for(self.seed, "prompts.simplestory", "words"), numbers, none, DRAWS + 1).tolist()
        seeds = _seeds(inputs) if self.words else ([], [])
        rows = [self._row(n, own[at], said[at], seeds) for at, n in enumerate(numbers.tolist())]
        yield pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in _KINDS.items()})

    def _row(
        self, number: int, own: Sequence[int], said: list[int], seeds: tuple[list[str | None], list[str]]
    ) -> dict[str, Any]:
        """One prompt and all that was drawn for it."""
        language = self.language[own[0] * len(self.language) >> 32]
        lists, template = self._lists_of[language], self._template_of[language]
        drawn: dict[str, Any] = {
            name: lists[name][own[at] * len(lists[name]) >> 32] for at, name in enumerate(PARAMETERS, 1)
        }
        if own[9] >= self.grammar_share * 2**32:
            drawn["grammar"] = None
        if own[10] >= self.persona_share * 2**32:
            drawn["persona"] = None
        paragraphs = self.least_paragraphs + (own[11] * (self.most_paragraphs - self.least_paragraphs + 1) >> 32)
        ids, texts = seeds
        which = list(dict.fromkeys(draw * len(texts) >> 32 for draw in own[12 : 12 + self.words])) if texts else []
        words = [texts[at] for at in which]
        values = dict.fromkeys(NAMES) | drawn | {"paragraphs": paragraphs, "words": words or None}
        audience = template.audiences[0]
        split = self.split or "simplestory"
        return {
            ID: f"{split}-{number:07d}",
            PROMPT: template.render(values, audience, said),
            ORIGIN: f"prompts.simplestory:{number}",
            "prompts.template": template.name,
            "prompts.format": template.front.format,
            "prompts.audience": audience,
            "prompts.language": language,
            "prompts.seed": ids[which[0]] if which else None,
            "prompts.topic": drawn["topic"],
            "prompts.split": split,
            "prompts.variant": 0,
            **{f"simplestory.{name}": value for name, value in drawn.items()},
            "simplestory.paragraphs": paragraphs,
            "simplestory.words": words,
            "simplestory.seeds": [ids[at] for at in which],
        }

    @cached_property
    def _lists_of(self) -> dict[str, dict[str, list[str]]]:
        return {language: self._read_lists(language) for language in self.language}

    @cached_property
    def _template_of(self) -> dict[str, Template]:
        found = {language: templates_of("simplestory", language, self.templates) for language in self.language}
        return {language: next(iter(templates.values())) for language, templates in found.items()}

    def _read_lists(self, language: str) -> dict[str, list[str]]:
        """The lists of a language.

        Raises:
            UserError: there are none, one is missing or empty, or it cannot be read.
        """
        base = Path(str(resources.files("hornbook.stages.prompts"))) / "templates" / language / "simplestory" / _LISTS
        path = Path(local_path(self.lists[language])) if language in self.lists else base
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"prompts.simplestory has no lists of the language `{language}`: {error}",
                where="lists",
                fix=f"lists: {{{language}: FILE}}, a YAML file with {', '.join(PARAMETERS)}",
            ) from error
        found = load_yaml(text, str(path), 0, fast=True)
        for name in PARAMETERS:
            items = found.get(name) if isinstance(found, dict) else None
            good = isinstance(items, list) and items and all(isinstance(item, str) and item.strip() for item in items)
            if not good:
                raise UserError(
                    f"the list `{name}` is missing, empty, or holds something that is no text",
                    where=str(path),
                    fix="a list of texts; words that YAML takes for something else (no, yes, 1) go into quotes",
                )
        return {name: [item.strip() for item in found[name]] for name in PARAMETERS}


def _seeds(inputs: Inputs) -> tuple[list[str | None], list[str]]:
    """Ids and texts of the words above, where there are any."""
    if not inputs.parts():
        return [], []
    ids: list[str | None] = []
    texts: list[str] = []
    for piece in inputs.documents([ID, TEXT]):
        if TEXT not in piece.column_names:
            continue
        keys = piece.column(ID).to_pylist() if ID in piece.column_names else [None] * piece.num_rows
        for key, text in zip(keys, piece.column(TEXT).to_pylist(), strict=True):
            if text and says_something(text[:200]):
                ids.append(key)
                texts.append(line(text, 60))
    if not texts:
        raise UserError(
            "prompts.simplestory draws words from the step above, and it has none",
            where="the step named by `from:`",
            fix="rows with `text`, as sources.words makes them; or leave `from:` out, or words: 0",
        )
    return ids, texts


_NEEDED = 12 + _WORDS
_KINDS: dict[str, pa.DataType] = {
    ID: pa.string(),
    PROMPT: pa.string(),
    ORIGIN: pa.string(),
    **{
        f"prompts.{name}": pa.string()
        for name in ("template", "format", "audience", "language", "seed", "topic", "split")
    },
    "prompts.variant": pa.int32(),
    **{f"simplestory.{name}": pa.string() for name in PARAMETERS},
    "simplestory.paragraphs": pa.int32(),
    "simplestory.words": pa.list_(pa.string()),
    "simplestory.seeds": pa.list_(pa.string()),
}
