"""The texts of an OpenStax book's modules: titles and beginnings, by the modules' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from hornbook.core.stage import Dropped
from hornbook.stages.sources._outlines import Unreadable, parse_xml
from hornbook.store.reading import expand, read_file

_TEXTS = ("para", "title", "item", "caption", "quote")
"""Elements of CNXML whose text is read."""


def modules_of(paths: Sequence[str], characters: int, skip: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Module → (title, beginning of its text).

    Args:
        paths: JSON Lines, Parquet … with `id`, `title`, `text`; or a folder of `NAME/index.cnxml`.
        characters: so much of a text is kept.
        skip: as in `beginning`.
    """
    found: dict[str, tuple[str, str]] = {}
    for file in expand(paths) if paths else []:
        written = PurePosixPath(file.name).suffix == ".cnxml"
        if file.kind == "code" and not written:
            continue
        for table in read_file(file):
            if isinstance(table, Dropped):
                continue
            if written:
                key, title, text = _cnxml(table.column("text")[0].as_py(), PurePosixPath(file.name).parent.name)
                found[key] = (title, beginning(text, characters, skip))
                continue
            titles = table.column("title").to_pylist() if "title" in table.column_names else [""] * table.num_rows
            keys, texts = table.column("id").to_pylist(), table.column("text").to_pylist()
            for key, title, text in zip(keys, titles, texts, strict=True):
                found[key] = (str(title or ""), beginning(text or "", characters, skip))
    return found


def beginning(text: str, characters: int, skip: Sequence[str] = ()) -> str:
    """At most so many characters, not cut within a word where there are spaces; runs of white space are one.

    Args:
        text: paragraphs with an empty line between them.
        characters: how many.
        skip: patterns; paragraphs that begin so are left out.
    """
    kept, room = list[str](), characters
    for paragraph in text[: 40 * characters].split("\n\n") if characters else ():
        said = " ".join(paragraph[: 4 * characters + 100].split())
        if not said or any(re.match(pattern, said, re.IGNORECASE) for pattern in skip):
            continue
        kept.append(said)
        room -= len(said) + 1
        if room < 0:
            break
    said = " ".join(kept)
    if len(said) <= characters:
        return said
    at = said.rfind(" ", 0, characters + 1)
    return said[: at if at > characters // 2 else characters].rstrip()


def _cnxml(text: str, name: str) -> tuple[str, str, str]:
    """(name, title, text) of a module's file (http://cnx.rice.edu/cnxml); one that cannot be read has no text."""
    open_: list[str] = []
    said: dict[str, list[str]] = {"title": [], "content-id": [], "text": []}

    def start(tag: str, given: dict[str, str]) -> None:
        open_.append(tag.rpartition(" ")[2])

    def end(tag: str) -> None:
        said["text"].append("\n\n" if open_.pop() in _TEXTS else "")

    def data(text: str) -> None:
        if open_[1:] == ["title"] or open_[1:] == ["metadata", "content-id"]:
            said[open_[-1]].append(text)
        elif "content" in open_[:2] and any(tag in _TEXTS for tag in open_[-4:]):
            said["text"].append(text)

    try:
        parse_xml(text, start, end, data)
    except Unreadable:
        return name, "", ""
    title, key = (" ".join("".join(said[field]).split()) for field in ("title", "content-id"))
    return key or name, title, "".join(said["text"])
