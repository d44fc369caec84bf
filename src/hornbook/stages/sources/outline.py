"""Outlines of textbooks from course pages or free text: units by the teacher, without those about the course itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, TEXT
from hornbook.core.keys import random_for
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.stages.sources._asking import FINAL, Asking, language_of
from hornbook.stages.sources._courses import (
    STOCK,
    Course,
    again,
    asked,
    by_rule,
    check_schema,
    checked,
    course_in,
    generic,
    named_in,
    outline_schema,
)
from hornbook.stages.sources._earlier import BETWEEN, told
from hornbook.stages.sources._units import ADMINISTRATIVE, patterns

_COSMOPEDIA = "Cosmopedia (github.com/huggingface/cosmopedia, prompts/stanford)"
_FEW = 2
"""Units that must be left; one is no outline."""
_UNITS = pa.list_(pa.struct([("title", pa.string()), ("covers", pa.string()), ("context", pa.string())]))


@dataclass(frozen=True)
class _Walk:
    """How far the replies of a row have come.

    Args:
        course: the outline; None while there is none.
        removed: numbers of units that leave; None while the second reply is awaited.
        error, detail: why it came to nothing; '' while it has not.
        fault: what is wrong with the last reply, where it can be asked for again.
    """

    course: Course | None = None
    removed: tuple[int, ...] | None = None
    error: str = ""
    detail: str = ""
    fault: str = ""


class Outline(Asking):
    """Asks for an outline of units, then which of them are about the course itself, and leaves those out.

    Pages that say too little are not asked about. The second answer is not believed where it would remove more than
    `most_removed` of the units; those named by the patterns of `administrative` leave all the same.

    Reads `text`, and `title` and `language` where there are such columns.

    Marks: `outline.title` (string), `outline.units` (list of {title, covers, context}; `context` names units before it,
    joined by "; ", null for the first), `outline.removed` (list of titles), `outline.doubted` (bool: the second answer
    was none, or not believed), `outline.requests` (int32), `outline.error` and `outline.detail`.

    Drops: `generic` (before anything is asked), `no_outline` (no reply that can be used), `few_units`, and the classes
    of error of generate.complete (`refusal`, `filter`, `length`, `empty`, `transport`, `rejected`).
    """

    version: ClassVar[str] = "1"
    mark: ClassVar[str] = "outline"
    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT, "title", "language")
    chooses: ClassVar[tuple[str, ...]] = (TEXT, "title")

    least: int = knob(4, help="fewest units", unit="units", ge=1, le=100)
    most: int = knob(12, help="most units", unit="units", ge=1, le=100)
    characters: int = knob(4000, help="so much of a page's beginning is shown", unit="characters", ge=50)
    check: bool = knob(True, help="ask a second time, for the units about the course itself", source=_COSMOPEDIA)
    most_removed: float = knob(
        0.5, help="a second answer that names more than this share is not believed", unit="share of units", ge=0, le=1
    )
    administrative: list[str] = knob(
        default_factory=lambda: list(ADMINISTRATIVE),
        help="patterns of whole titles, without numbers and letter case, that leave in any case; [] none",
    )
    stock: list[str] = knob(
        default_factory=lambda: list(STOCK), help="phrases that do not count when a page's text is measured"
    )
    pages: bool = knob(True, help="leave out pages that say too little; off asks about any text", source=_COSMOPEDIA)

    _patterns = field_validator("administrative", "stock")(patterns)

    @model_validator(mode="after")
    def _range(self) -> Outline:
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) is above most ({self.most})")
        return self

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """The pages that say enough."""
        return [not self._too_little(row) for row in _rows(piece)]

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first request of each page."""
        for row in _rows(piece):
            if self._too_little(row):
                yield None
                continue
            title, text = _parts(row)
            page = (f"{title}\n\n{text}" if title else text)[: self.characters]
            said = asked(page.replace("\x00", " "), language_of(row), self.least, self.most)
            yield self.request(model, said, outline_schema(self.least, self.most))

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The second request, or one of the two once more."""
        walk = self._walk(replies)
        language = language_of(row)
        if walk.fault:
            return self.repeated(asked[-1], replies[-1], again(walk.fault, language))
        if walk.error or walk.course is None or walk.removed is not None:
            return None
        return self.request(asked[0].model, checked(walk.course, language), check_schema(len(walk.course.units)))

    def ahead(self) -> Sequence[Ahead]:
        """The second request, and either of them once more."""
        checks = [Ahead("check", prompts=0, replies=1, words=" ".join(["word"] * 220), tokens=60)] if self.check else []
        return [*checks, *(Ahead("again", likely=0.1, replies=1, words="word " * 20) for _ in range(self.tries))]

    def outcome(self, reply: Reply) -> str | None:
        """The units' titles."""
        walk = self._walk((*reply.before, reply))
        return None if walk.course is None or walk.error else "\n".join(title for title, _ in walk.course.units)

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        rows = [self._marks(row, reply) for row, reply in zip(_rows(piece), replies, strict=True)]
        kinds = {"title": pa.string(), "units": _UNITS, "removed": pa.list_(pa.string()), "doubted": pa.bool_()}
        kinds |= {"requests": pa.int32(), "error": pa.string(), "detail": pa.string()}
        return pa.table({f"outline.{name}": pa.array([row.get(name) for row in rows], k) for name, k in kinds.items()})

    def drops(self) -> dict[str, Rule]:
        return self.errors("generic", "no_outline", "few_units")

    def _walk(self, replies: Sequence[Reply]) -> _Walk:
        """What the replies of a row have come to."""
        course: Course | None = None
        tried, fault = 0, ""
        for reply in replies:
            if reply.error in FINAL:
                if course is None:
                    return _Walk(error=reply.error or "", detail=reply.detail)
                return _Walk(course, ())
            if course is None:
                course, fault = course_in(reply, self.least, self.most)
                if course is not None and not self.check:
                    return _Walk(course, ())
            else:
                numbers, fault = named_in(reply, len(course.units))
                if not fault:
                    return _Walk(course, tuple(numbers))
            tried = tried + 1 if fault else 0
            if tried > self.tries:
                return _Walk(error="no_outline", detail=fault) if course is None else _Walk(course, ())
        return _Walk(course, fault=fault)

    def _marks(self, row: dict[str, Any], reply: Reply) -> dict[str, Any]:
        if self.pages and (said := generic(*_parts(row), self.stock)):
            return {"error": "generic", "detail": said, "requests": 0}
        if not any(char.isalnum() for char in row[TEXT] or ""):
            return {"error": "generic", "detail": "no text", "requests": 0}
        replies = (*reply.before, reply)
        walk = self._walk(replies)
        found: dict[str, Any] = {"requests": sum(bool(one.key) for one in replies)}
        if walk.error or walk.course is None:
            return found | {"error": walk.error or "no_outline", "detail": walk.detail or walk.fault or reply.detail}
        units = walk.course.units
        ruled, named = by_rule(walk.course, self.administrative), list(walk.removed or ())
        answered = not self.check or (reply.error is None and not named_in(reply, len(units))[1])
        doubted = not answered or len(named) > self.most_removed * len(units)
        gone = {*ruled, *(() if doubted else named)}
        kept = [unit for number, unit in enumerate(units, 1) if number not in gone]
        found |= {"title": walk.course.title or _parts(row)[0] or None, "doubted": doubted}
        found["removed"] = [title for number, (title, _) in enumerate(units, 1) if number in gone]
        if len(kept) < min(self.least, _FEW):
            return found | {"error": "few_units", "detail": f"{len(kept)} units are left of {len(units)}"}
        titles = [title for title, _ in kept]
        found["units"] = [
            {
                "title": title,
                "covers": covers,
                "context": BETWEEN.join(told(titles[:at], random_for(self.seed, "sources.outline", row[ID] or "", at)))
                or None,
            }
            for at, (title, covers) in enumerate(kept)
        ]
        return found

    def _too_little(self, row: dict[str, Any]) -> bool:
        if self.pages:
            return bool(generic(*_parts(row), self.stock))
        return not any(char.isalnum() for char in row[TEXT] or "")


def _rows(piece: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in (ID, TEXT, "title", "language") if name in piece.column_names]
    rows: list[dict[str, Any]] = piece.select(names).to_pylist()
    return [{ID: "", "title": None, "language": None} | row for row in rows]


def _parts(row: dict[str, Any]) -> tuple[str, str]:
    """(title, description) of a page: its column `title`, else its first line where that is short."""
    text = (row[TEXT] or "").strip()
    title = row["title"].strip() if isinstance(row["title"], str) else ""
    if title:
        return title, text.removeprefix(title).strip()
    first, _, rest = text.partition("\n")
    if rest or (len(first) <= 100 and not first.rstrip().endswith((".", "。"))):
        return (first.strip(), rest.strip()) if len(first) <= 150 else ("", text)
    return "", text
