"""What a long text is written along: an outline read from a reply, the sections written so far, the text they make."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from hornbook.core.asking import Reply
from hornbook.stages.prompts._extracts import line
from hornbook.stages.prompts._sentences import whole
from hornbook.teachers.json_text import json_in

TITLE, COVERS = 120, 400
"""Most characters of a title, and of what a section covers; our choice. They bound every later prompt."""
_AGAIN = ("parse", "short", "empty")
"""Faults for which the same thing is asked once more; refusals, filters and what cannot be sent are final."""
_HEADING = re.compile(r"\A(?:\s*(?:#{1,6}[ \t]+|\*\*)?[^\n]{0,200}(?:\*\*)?[ \t]*\n)")
_DRESS = re.compile('[#*_`"\u201c\u201d\u300a\u300b]+')
_NUMBER = re.compile(
    r"\A(?:(?:section|chapter|part|lesson)\b\s*)?(?:\d{1,3}(?:\.\d{1,3}){0,3})?"
    "(?:\u7b2c[\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341\\d]{1,4}[\u7ae0\u8282\u8bfe])?"
    r"\s*[-.:)\u3001\uff1a\uff09]*\s*"
)
_MARKS = ".:\u3002\uff1a "


@dataclass(frozen=True)
class Outline:
    """A title and the sections, each with what it covers."""

    title: str
    sections: tuple[tuple[str, str], ...]

    def json(self) -> str:
        """As JSON: {"title", "sections": [{"title", "covers"}]}."""
        sections = [{"title": title, "covers": covers} for title, covers in self.sections]
        return orjson.dumps({"title": self.title, "sections": sections}).decode()


@dataclass
class Book:
    """How far a row has come.

    Args:
        outline: None until a reply held one.
        texts: the sections written, in order.
        tries: how often the next thing was asked for in vain.
        error, detail: why it ended before its time; '' while it has not.
    """

    outline: Outline | None = None
    texts: list[str] = field(default_factory=list)
    tries: int = 0
    error: str = ""
    detail: str = ""

    @property
    def done(self) -> bool:
        """Whether every section is written."""
        return self.outline is not None and len(self.texts) == len(self.outline.sections)


def schema_of(least: int, most: int) -> dict[str, Any]:
    """The JSON schema of an outline with so many sections."""
    part = {"title": _string(TITLE), "covers": _string(COVERS)}
    sections = {"type": "array", "minItems": least, "maxItems": most, "items": _object(part)}
    return _object({"title": _string(TITLE), "sections": sections})


def read(replies: Sequence[Reply], least: int, most: int, tries: int, characters: int) -> Book:
    """What the replies of a row have made so far.

    Args:
        replies: all of them, in order; the first is the outline's.
        least, most: sections.
        tries: how often the outline or a section is asked for again.
        characters: a section with fewer is none.
    """
    book = Book()
    for reply in replies:
        if book.outline is None:
            found, fault, detail = outline_in(reply, least, most)
            book.outline = found
        else:
            title = book.outline.sections[len(book.texts)][0]
            text, fault, detail = section_in(reply, title, characters)
            if not fault:
                book.texts.append(text)
        book.tries = book.tries + 1 if fault else 0
        if fault and (fault not in _AGAIN or book.tries > tries):
            book.error, book.detail = fault, detail
            break
    return book


def outline_in(reply: Reply, least: int, most: int) -> tuple[Outline | None, str, str]:
    """(the outline, '', ''), or (None, class of fault, the fault)."""
    if reply.error is not None and reply.error != "empty":
        return None, reply.error, reply.detail
    value, fault = json_in(reply.text, lambda found: isinstance(found, dict) and "sections" in found)
    if fault:
        return None, "parse", f"outline: {fault}" + (" (cut at outline_tokens)" if reply.finish == "length" else "")
    if not isinstance(value, dict) or not isinstance(value.get("sections"), list):
        return None, "parse", "outline: no object with the list `sections`"
    sections: dict[str, tuple[str, str]] = {}
    for one in value["sections"]:
        title, covers = (one.get("title"), one.get("covers")) if isinstance(one, dict) else (one, "")
        if isinstance(title, str) and (said := _bare(line(title, TITLE))):
            sections.setdefault(said.casefold(), (said, line(covers, COVERS) if isinstance(covers, str) else ""))
    if len(sections) < least:
        return None, "parse", f"outline: {len(sections)} sections with a title of their own, fewer than {least}"
    given = value.get("title")
    title = line(given, TITLE) if isinstance(given, str) else ""
    return Outline(title, tuple(sections.values())[:most]), "", ""


def section_in(reply: Reply, title: str, characters: int) -> tuple[str, str, str]:
    """(the section's text, '', ''), or ('', class of fault, the fault)."""
    if reply.error is not None and reply.error != "empty":
        return "", reply.error, f"section “{title}”: {reply.detail}"
    text = reply.text.rpartition("</think>")[2].strip()
    text = without_heading(text, title)
    if reply.finish == "length":
        text = whole(text)
    if len(text) < characters:
        return "", "short" if text else "empty", f"section “{title}”: {len(text)} characters, fewer than {characters}"
    return text, "", ""


def without_heading(text: str, title: str) -> str:
    """A section without its title, where the reply says it again in its first line."""
    first = _HEADING.match(text)
    if first and (_plain(first.group()) in (_plain(title), "") or first.group().lstrip().startswith("#")):
        return text[first.end() :].strip()
    return text


def joined(book: Book) -> str:
    """The whole text in Markdown: the title and every section under its heading."""
    if book.outline is None:
        return ""
    parts = [f"# {book.outline.title}"] if book.outline.title else []
    for (title, _), text in zip(book.outline.sections, book.texts, strict=False):
        parts.append(f"## {title}\n\n{text}")
    return "\n\n".join(parts) if book.texts else ""


def _bare(title: str) -> str:
    """A title without a number or marks before it."""
    return re.sub(r"\A(?:[#*\s]+|\d{1,3}[.\u3001:\uff1a)]\s*)+", "", title).rstrip("*# ")


def _plain(title: str) -> str:
    """A title as it is compared: without dress, number and marks at its end."""
    return _NUMBER.sub("", " ".join(_DRESS.sub(" ", title).casefold().split())).strip(_MARKS)


def _string(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
