"""Prompts for short stories: three words and a few features each, after TinyStories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, ClassVar, Literal, NamedTuple

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.documents import ID, ORIGIN, PIECE_ROWS, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.keys import random_for
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Makes, Source

Feature = Literal["dialogue", "bad_ending", "moral", "foreshadowing", "twist", "conflict"]

_PARTS = ("noun", "verb", "adjective")
_TINY = "TinyStories, arXiv:2305.07759, section 2"

_FEATURES = {
    "dialogue": "The characters talk to each other.",
    "bad_ending": "The story has a sad ending.",
    "moral": "The story teaches something good.",
    "foreshadowing": "Something small at the start becomes important at the end.",
    "twist": "Something happens that nobody expected.",
    "conflict": "Two characters want different things.",
}

_OPENINGS = {
    "speech": "Begin with something that someone says.",
    "sound": "Begin with a loud sound.",
    "weather": "Begin with the weather.",
    "question": "Begin with a question.",
    "smell": "Begin with a smell.",
    "night": "The story begins at night.",
    "morning": "The story begins at breakfast.",
    "kitchen": "The story begins in a kitchen.",
    "shop": "The story begins in a shop.",
    "journey": "The story begins on a bus.",
    "lost": "The story begins when something is lost.",
    "found": "The story begins when something is found under a bed.",
    "noun": "Begin with the {noun}.",
    "wish": "Begin with a wish.",
}

_SENTENCES = (
    "The {noun} was very {adjective}.",
    "Nobody had ever seen such a thing as the {adjective} {noun}.",
    "Everyone looked at the {adjective} {noun} and smiled.",
    '"Please let me {verb}," said the little girl.',
    "It was not easy to {verb}, but he wanted to try.",
    "She had never felt so {adjective} before.",
    "He was too {adjective} to {verb}.",
    "The {noun} was gone in the morning.",
    "They all began to {verb} when they saw the {noun}.",
    '"Where is my {noun}?" asked the boy.',
)

_FIELDS = ("words", "features", "sentence", "summary")


class _Words(NamedTuple):
    """The words of one part of speech, with their ids, in the order of the seeds."""

    ids: list[str]
    texts: list[str]


class Story(Source):
    """Prompts for short stories, each from a noun, a verb, an adjective and 0 to 3 features.

    The method is TinyStories' (arXiv:2305.07759, section 2): random words and features make each story
    another one while the language stays that of a small child. The wording is our own, tuned on the
    embedded 135M teacher, which follows one short sentence a wish and little else.

    Seeds are rows with `text` and `words.pos` (noun, verb or adjective), as `sources.words` makes them.
    Prompt n is drawn from the seed and n alone, so it is the same whatever `count` is and whoever draws
    it. Words are drawn first, then the opening, then the rest: other features or forms keep the words.

    Rows: `id` (`story-0000017`), `prompt`, `origin`, `story.noun`, `story.verb`, `story.adjective`,
    `story.features` (names joined by commas, in the order drawn), `story.opening`, `story.seeds` (ids of
    the three words), and for the instruct form `story.fields` and `story.sentence`.

    Raises:
        UserError: the seeds have no `words.pos`, or lack one of the three parts of speech.
    """

    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    count: int = knob(200, help="how many prompts", unit="prompts", ge=1)
    form: Literal["story", "instruct"] = knob(
        "story",
        help="story: words and features; instruct: a random choice of words, features, a sentence that must "
        "appear, and a summary to be written first",
        source="TinyStories-Instruct: arXiv:2305.07759, section 5",
    )
    features: list[Feature] = knob(
        default_factory=lambda: list(_FEATURES), help="features that may be drawn", source=_TINY
    )
    max_features: int = knob(
        3, help="most features in one prompt; each number from 0 is as likely", ge=0, le=6, source=_TINY
    )
    paragraphs: int = knob(
        2,
        help="paragraphs asked for; 2 fits the embedded teacher, which loses the thread after about 200 tokens; "
        "TinyStories asks for 3 to 5 from a big one",
        unit="paragraphs",
        ge=1,
        le=20,
    )
    openings: float = knob(
        0.75,
        help="share of prompts that say how to begin, against the stock openings a teacher falls into",
        unit="share of prompts",
        ge=0,
        le=1,
        source='59 % of TinyStories say "once upon a time" (arXiv:2504.09184)',
    )
    seed: int = knob(0, help="of the draws; the recipe's seed where unset")

    @field_validator("features")
    @classmethod
    def _each_once(cls, value: list[Feature]) -> list[Feature]:
        if len(set(value)) != len(value):
            raise ValueError("a feature is named twice")
        return value

    def shards(self, inputs: Inputs) -> list[Any]:
        """Ranges of prompt numbers, at most 4,096 each."""
        return [[at, min(at + PIECE_ROWS, self.count)] for at in range(0, self.count, PIECE_ROWS)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The prompts of one range."""
        words = _words_by_part(inputs)
        rows = [self._row(number, words) for number in range(*item)]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        yield pa.table({name: pa.array(values, _type_of(name)) for name, values in columns.items()})

    def _row(self, number: int, words: dict[str, _Words]) -> dict[str, Any]:
        """One prompt and all that was drawn for it."""
        draw = random_for(self.seed, "prompts.story", number)
        at = {part: draw.randrange(len(words[part].texts)) for part in _PARTS}
        drawn = {part: words[part].texts[at[part]] for part in _PARTS}
        begins, way = draw.random() < self.openings, draw.choice(list(_OPENINGS))
        opening = way if begins else ""
        begin = _OPENINGS[opening].format(**drawn) if opening else ""
        story = {f"story.{part}": drawn[part] for part in _PARTS}
        if self.form == "story":
            features = self._features(draw, 0)
            prompt = _ask_story(drawn, features, self.paragraphs, begin)
        else:
            fields = _some_fields(draw, [f for f in _FIELDS if f != "features" or self._most() > 0])
            sentence = draw.choice(_SENTENCES).format(**drawn) if "sentence" in fields else ""
            features = self._features(draw, 1) if "features" in fields else []
            prompt = _ask_instruct(drawn, features, sentence, fields, self.paragraphs, begin)
            story |= {"story.fields": ",".join(fields), "story.sentence": sentence}
        return {
            ID: f"{self.form}-{number:07d}",
            PROMPT: prompt,
            ORIGIN: f"prompts.story:{number}",
            **story,
            "story.features": ",".join(features),
            "story.opening": opening,
            "story.seeds": [words[part].ids[at[part]] for part in _PARTS],
        }

    def _most(self) -> int:
        return min(self.max_features, len(self.features))

    def _features(self, draw: Random, least: int) -> list[str]:
        return draw.sample(self.features, draw.randint(min(least, self._most()), self._most()))


def _words_by_part(inputs: Inputs) -> dict[str, _Words]:
    """The seeds' words by part of speech; a word that is empty or all white space is left out."""
    found = {part: _Words([], []) for part in _PARTS}
    for piece in inputs.documents([ID, TEXT, "words.pos"]):
        missing = [name for name in (TEXT, "words.pos") if name not in piece.column_names]
        if missing:
            raise UserError(
                f"prompts.story needs seeds with the column `{missing[0]}`, and there is none",
                where=f"the step above prompts.story; it has {', '.join(piece.column_names)}",
                fix="put `use: sources.words` above it, or rows with `text` (a word) and `words.pos` "
                "(noun, verb or adjective)",
            )
        for key, text, part in zip(*(piece.column(name).to_pylist() for name in (ID, TEXT, "words.pos")), strict=True):
            if part in found and text and text.strip():
                found[part].ids.append(key)
                found[part].texts.append(text.strip())
    for part, words in found.items():
        if not words.texts:
            have = ", ".join(f"{len(w.texts)} {p}s" for p, w in found.items())
            raise UserError(
                f"prompts.story draws a {part} for each prompt, and there is none among its seeds",
                where=f"the seeds above prompts.story: {have}",
                fix=f"add rows whose `words.pos` is `{part}`, or use sources.words",
            )
    return found


def _some_fields(draw: Random, fields: Sequence[str]) -> list[str]:
    """A random choice of fields, each as likely as not, never none."""
    chosen = draw.randrange(1, 2 ** len(fields))
    return [field for at, field in enumerate(fields) if chosen >> at & 1]


def _ask_story(words: dict[str, str], features: Sequence[str], paragraphs: int, begin: str) -> str:
    noun, verb, adjective = (words[part] for part in _PARTS)
    return _joined(
        f"Write a short story for a small child about {_a(adjective)} {noun}.",
        f"Someone in the story must {verb}.",
        *(_FEATURES[name] for name in features),
        begin,
        _simple(paragraphs),
        f'The story must have the words "{noun}", "{verb}" and "{adjective}" in it.',
    )


def _ask_instruct(
    words: dict[str, str],
    features: Sequence[str],
    sentence: str,
    fields: Sequence[str],
    paragraphs: int,
    begin: str,
) -> str:
    lines = ["Write a short story for a small child that fits what follows."]
    if "words" in fields:
        lines.append(f"Words: {', '.join(words[part] for part in _PARTS)}")
    if features:
        lines.append("Features: " + " ".join(_FEATURES[name] for name in features))
    if sentence:
        lines.append(f"Sentence that must be in the story: {sentence}")
    if "summary" in fields:
        lines.append('First write a line that begins with "Summary:" and tells the story in one sentence.')
    lines.append(_joined(begin, _simple(paragraphs)))
    return "\n".join(lines)


def _simple(paragraphs: int) -> str:
    many = "one short paragraph" if paragraphs == 1 else f"{paragraphs} short paragraphs"
    return f"Write {many} with simple words that a small child knows."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _a(word: str) -> str:
    """The word with its article: a big, an old, a useful, an honest."""
    vowel = word[:1].lower() in "aeiou" and not word.lower().startswith(("use", "usu", "uni", "eu", "one", "once"))
    return f"{'an' if vowel or word.lower().startswith(('hon', 'hour', 'heir')) else 'a'} {word}"


def _type_of(name: str) -> pa.DataType:
    return pa.list_(pa.string()) if name == "story.seeds" else pa.string()
