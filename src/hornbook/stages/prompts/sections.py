"""A long text written as an outline and then section by section, each knowing the outline and what came before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, MESSAGES, PROMPT, TEXT
from hornbook.core.errors import UserError, nearest
from hornbook.core.keys import digest
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Ask
from hornbook.stages.prompts._catalogue import shipped_files
from hornbook.stages.prompts._drawing import draws, key_for
from hornbook.stages.prompts._matter import READ, templates_of, text_of, values_of
from hornbook.stages.prompts._outlining import COVERS, TITLE, Book, joined, read, schema_of
from hornbook.stages.prompts._sentences import ending
from hornbook.stages.prompts._templates import DRAWS, Template

ERRORS = ("refusal", "filter", "parse", "length", "empty", "short", "transport", "rejected")
_OWN = "unset: the teacher's own"
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_FILLED = ("audience", "language", "format", "template", "split", "seed", "topic")
"""What `prompts.*` columns a row gets where it has none."""
_COLUMNS = tuple(dict.fromkeys((ID, PROMPT, MESSAGES, *READ, *(f"prompts.{name}" for name in _FILLED))))
_KINDS: dict[str, pa.DataType] = {
    TEXT: pa.string(),
    PROMPT: pa.string(),
    "sections.outline": pa.string(),
    "sections.planned": pa.int32(),
    "sections.count": pa.int32(),
    "sections.stopped": pa.string(),
    "generate.tries": pa.int64(),
    "generate.prompt_tokens": pa.int64(),
    "generate.tokens": pa.int64(),
    "generate.finish": pa.string(),
    "generate.request": pa.string(),
    "generate.characters": pa.int64(),
    "generate.error": pa.string(),
    "generate.detail": pa.string(),
} | {f"prompts.{name}": pa.string() for name in _FILLED}


class Sections(Ask):
    """Writes each row as a long text: an outline first, then one request a section, at the row's own pace.

    A row is a seed (`text`: an extract, or a topic where it is short; perhaps `topic`, `context`, `passages`) or a
    ready prompt (`prompt`, of a prompts stage), whose audience and language (`prompts.audience`,
    `prompts.language`) it keeps. Every request for a section holds the whole outline and the end of the section
    before, and no more of what was written, so that prompts do not grow. An outline or a section that cannot be used
    is asked for again, then the text ends there.

    Marks: `text` (Markdown: the title, every section under a heading), `prompt` (the first request's, where the row
    had none), `sections.outline` (JSON), `sections.planned`, `sections.count` (written), `sections.stopped` (why it
    ended early, with the section), `generate.tries` (requests), `generate.prompt_tokens` and `generate.tokens` (of
    all), `generate.finish` and `generate.request` (of the last), `generate.characters`, `generate.error` and
    `generate.detail` (why there is no text), and those of `prompts.*` that the row lacks.

    Drops: one reason for each class of error (`refusal`, `filter`, `parse`: no outline; `length`, `empty`, `short`,
    `transport`, `rejected`) where no section was written, and `unfinished` where fewer than `min_sections` were.

    Raises:
        UserError: a template is wrong, or a language or an audience has none.
    """

    version: ClassVar[str] = "1"
    reads: ClassVar[tuple[str, ...] | None] = _COLUMNS

    sections: int = knob(8, help="most sections of a text", unit="sections", ge=1, le=200)
    least: int = knob(3, help="an outline with fewer is asked for again", unit="sections", ge=1, le=200)
    words: int = knob(
        400, help="length of a section as it is asked for (Chinese: half as many characters more)", unit="words", ge=20
    )
    keep: int = knob(
        600,
        help="so much of the section before stands in a prompt, whole sentences",
        unit="characters",
        ge=0,
        le=10_000,
    )
    audience: str = knob("college", help="who it is for, where a row has no `prompts.audience`")
    language: str = knob("en", help="language of the prompts, where a row has no `prompts.language`")
    extract_characters: int = knob(
        1000,
        help="of a seed's text at most, to the end of the last whole sentence",
        unit="characters",
        ge=50,
        le=10_000,
        source="Cosmopedia, build_web_prompts.py: 1,000",
    )
    short_characters: int = knob(
        200, help="a seed shorter than this is a topic to write about, not an extract", unit="characters", ge=0
    )
    again_at_most: int = knob(
        1, help="how often an outline or a section that is of no use is asked for again", unit="requests", ge=0, le=3
    )
    shortest: int = knob(80, help="a section with fewer is of no use", unit="characters", ge=1)
    min_sections: int = knob(
        2, help="texts with fewer written sections are dropped as `unfinished`", unit="sections", ge=0, threshold=True
    )
    outline_tokens: int = knob(700, help="longest outline", unit="tokens", ge=50)
    max_tokens: int = knob(900, help="longest section", unit="tokens", ge=1)
    temperature: float | None = knob(None, help=f"sampling temperature; {_OWN}", ge=0, le=5)
    top_p: float | None = knob(None, help=f"nucleus sampling; {_OWN}", unit="probability", gt=0, le=1)
    top_k: int | None = knob(None, help=f"sample among this many tokens; {_OWN}", unit="tokens", ge=-1)
    min_p: float | None = knob(None, help=f"leave out tokens less likely than this share of the likeliest; {_OWN}")
    repetition_penalty: float | None = knob(None, help=f"divide the logits of tokens seen; {_OWN}", gt=0)
    split: str | None = knob(None, help="`prompts.split` of rows that have none; unset: the stage's name")
    templates: list[InputPath] = knob(
        default_factory=list,
        help="your own outline.jinja, section.jinja or wordings, files or folders; they take the place of the shipped",
    )
    shipped: bool = knob(True, help="use the shipped templates too")
    seed: int = knob(0, help="of the draws among wordings; the recipe's seed where unset")

    @model_validator(mode="after")
    def _can_be(self) -> Sections:
        if self.least > self.sections:
            raise ValueError(f"least ({self.least}) must not be above sections ({self.sections})")
        return self

    def rests_on(self) -> Sequence[Path]:
        """The shipped templates, wordings and lists."""
        return shipped_files("sections")

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The request for each row's outline; None where there is nothing to write about."""
        schema = schema_of(self.least, self.sections)
        for row in piece.select([name for name in _COLUMNS if name in piece.column_names]).to_pylist():
            values = self._values(row)
            if values is None:
                yield None
                continue
            said = self._said("outline", row, values | {"least": self.least, "most": self.sections}, 0)
            params = self._params() | {"max_tokens": self.outline_tokens}
            yield Request(model, ({"role": "user", "content": said},), params=params, schema=schema)

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next section, or what was of no use once more; None where the text is whole or ends early."""
        book = self._read(replies)
        if book.error or book.done:
            return None
        if book.outline is None or book.tries:
            last = asked[-1]
            return Request(last.model, last.messages, params=last.params, schema=last.schema, sample=last.sample + 1)
        values = self._values(row) or {}
        number = len(book.texts) + 1
        sections = [{"title": title, "covers": covers} for title, covers in book.outline.sections]
        values |= {"title": book.outline.title, "sections": sections, "section": sections[number - 1]}
        values |= {"number": number, "words": self.words}
        values["previous"] = ending(book.texts[-1], self.keep) if book.texts and self.keep else None
        said = self._said("section", row, values, number)
        params = self._params() | {"max_tokens": self.max_tokens}
        return Request(asked[0].model, ({"role": "user", "content": said},), params=params)

    def ahead(self) -> Sequence[Ahead] | None:
        """As many sections as there can be, each with the outline and the end of the one before; then second tries."""
        shown = self.sections * (TITLE + COVERS) // 8 + self.keep // 4
        sections = [
            Ahead("section", 1.0 if at < self.least else 0.7, shown=shown, tokens=self.max_tokens)
            for at in range(self.sections)
        ]
        longest = max(self.max_tokens, self.outline_tokens)
        again = Ahead("again", 0.05, shown=shown, tokens=longest)
        return sections + [again] * (self.again_at_most * (self.sections + 1))

    def outcome(self, reply: Reply) -> str | None:
        """The whole text, where there is one."""
        return joined(self._read((*reply.before, reply))) or None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The texts and what became of each row."""
        rows = piece.select([name for name in _COLUMNS if name in piece.column_names]).to_pylist()
        marks = [self._marks(row, reply) for row, reply in zip(rows, replies, strict=True)]
        return pa.table({name: pa.array([mark[name] for mark in marks], kind) for name, kind in _KINDS.items()})

    def drops(self) -> dict[str, Rule]:
        """Errors first, then texts that ended too early."""
        rules = {kind: Rule("generate.error", "==", kind, evidence="generate.detail") for kind in ERRORS}
        rules["unfinished"] = Rule("sections.count", "<", self.min_sections, evidence="sections.stopped")
        return rules

    def _marks(self, row: Mapping[str, Any], last: Reply) -> dict[str, Any]:
        replies = [reply for reply in (*last.before, last) if reply.key]
        book = self._read((*last.before, last))
        text, outline = joined(book), book.outline
        error, detail = (None, None) if text else (book.error or "empty", book.detail or "no section was written")
        if last.error == "transport":
            error, detail = "transport", last.detail
        values = self._values(row)
        if values is None:
            error, detail = "rejected", "neither a prompt nor a text or topic with a letter in it"
        first = self._said("outline", row, values | {"least": self.least, "most": self.sections}, 0) if values else None
        filled = {
            "audience": self.audience,
            "language": self.language,
            "format": "sections",
            "template": "sections",
            "split": self.split or "sections",
            "seed": row.get(ID),
            "topic": values["topic"] if values else None,
        }
        return {
            TEXT: text,
            PROMPT: row.get(PROMPT) or first,
            "sections.outline": outline.json() if outline else None,
            "sections.planned": len(outline.sections) if outline else 0,
            "sections.count": len(book.texts),
            "sections.stopped": f"{book.error}: {book.detail}" if book.error else None,
            "generate.tries": len(replies),
            "generate.prompt_tokens": sum(reply.prompt_tokens for reply in replies),
            "generate.tokens": sum(reply.completion_tokens for reply in replies),
            "generate.finish": last.finish,
            "generate.request": last.key,
            "generate.characters": len(text),
            "generate.error": error,
            "generate.detail": detail,
        } | {f"prompts.{name}": row.get(f"prompts.{name}") or filled[name] for name in _FILLED}

    def _read(self, replies: Sequence[Reply]) -> Book:
        return read(replies, self.least, self.sections, self.again_at_most, self.shortest)

    def _params(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in _SAMPLING}
        return {name: value for name, value in given.items() if value is not None}

    def _values(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        return values_of(row, self.extract_characters, self.short_characters)

    def _said(self, name: str, row: Mapping[str, Any], values: dict[str, Any], at: int) -> str:
        """A prompt, drawn by the row's id and which section it is for."""
        template = self._template(name, text_of(row, "prompts.language") or self.language)
        audience = text_of(row, "prompts.audience")
        if audience not in template.audiences:
            audience = self.audience
        if audience not in template.audiences:
            like = nearest(audience, template.audiences)
            raise UserError(
                f"prompts.sections has no wording for the audience `{audience}` in {template.front.language}",
                where="audience",
                fix=(f"did you mean `{like}`? " if like else "") + f"there are {', '.join(template.audiences)}",
            )
        number = int(digest(text_of(row, ID).encode("utf-8", "replace"))[:15], 16)
        key = key_for(self.seed, "prompts.sections")
        drawn = draws(key, np.array([number], np.int64), np.array([at], np.int64), DRAWS + 1)[0].tolist()
        return template.render(values, audience, drawn)

    def _template(self, name: str, language: str) -> Template:
        known = templates_of("sections", language, self.templates, self.shipped)
        if name not in known:
            raise UserError(
                f"prompts.sections has no template `{name}` of the language `{language}`",
                where="templates",
                fix=f"add {name}.jinja, or leave `shipped` on",
            )
        return known[name]
