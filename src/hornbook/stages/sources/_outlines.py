"""Tables of contents as flat lists of nodes: OpenStax collections, nested YAML and JSON, Markdown.

Nothing here calls itself: a file may be nested as deep as it likes and is refused beyond `DEEPEST`. XML is read event
by event; a document type is refused, so no entity is ever declared, fetched or expanded. YAML's aliases are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.parsers import expat

import orjson

DEEPEST = 32
"""Levels; a library's classification has fewer than ten. Our choice."""
MOST = 200_000
"""Nodes of one file."""
LINE = 1_000
"""Characters of a Markdown line that may be a heading."""
YAML_MOST = 2**20
"""Characters of a YAML file: the parser reads some 100 kB a second. Bigger trees belong in JSON."""

UNDER = ("units", "children", "chapters", "sections", "lessons", "modules", "topics", "parts", "items", "contents",
         "content", "courses", "books", "subtopics", "toc")  # fmt: skip
"""Keys of a node under which its own nodes lie."""
TITLES = ("title", "name", "label", "heading", "topic", "text")
"""Keys of a node's title, the first that holds text counts."""
EXTRACTS = ("extract", "description", "summary", "body", "text")
"""Keys of a node's reference text."""


@dataclass(slots=True)
class Node:
    """An entry of a table of contents.

    Args:
        level: 0 for the book, 1 for what is directly in it.
        title: as it stands there; '' where only `key` is known.
        text: reference text.
        key: an OpenStax module's name.
        language: of a book, where it says so.
        leaf: nothing stands below it.
    """

    level: int
    title: str
    text: str = ""
    key: str = ""
    language: str = ""
    leaf: bool = True


class Unreadable(Exception):
    """A file that is no table of contents: a reason and what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def nodes_of(text: str, suffix: str, name: str) -> list[Node]:
    """A file's nodes, each book (level 0) followed by what is in it.

    Args:
        text: the file's content.
        suffix: `.xml`, `.json`, `.yaml`, `.yml`, `.md`.
        name: stands for the title of a book that has none.

    Raises:
        Unreadable: it is none, or nested too deep.
    """
    if suffix == ".xml":
        found = _collection(text)
    elif suffix in (".md", ".markdown"):
        found = list(_markdown(text, name))
    else:
        found = list(_tree(_json(text) if suffix == ".json" else _yaml(text), name))
    if len(found) < 2:
        raise Unreadable("no_units", "no unit in it")
    for node, after in pairwise(found):
        node.leaf = after.level <= node.level
    return found


def _bounded(level: int, many: int) -> None:
    if level > DEEPEST:
        raise Unreadable("too_deep", f"nested more than {DEEPEST} levels")
    if many > MOST:
        raise Unreadable("too_many", f"more than {MOST:,} entries")


class _Collection:
    """Handlers for a collection's elements."""

    def __init__(self) -> None:
        self.found = [Node(0, "")]
        self.open: list[str] = []
        self.level = 0
        self.said: list[str] = []

    def start(self, tag: str, given: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if not self.open and name != "collection":
            raise Unreadable("not_collection", f"the outermost element is {name}, not collection")
        self.open.append(name)
        self.said = []
        if name in ("subcollection", "module"):
            self.level += 1
            _bounded(self.level, len(self.found))
            self.found.append(Node(self.level, "", key=given.get("document", "")))

    def end(self, tag: str) -> None:
        name = self.open.pop()
        said = " ".join("".join(self.said).split())
        if name == "title":
            node = self.found[0] if self.level == 0 else self.found[-1]
            node.title = node.title or said
        elif name == "language" and self.level == 0:
            self.found[0].language = said
        elif name in ("subcollection", "module"):
            self.level -= 1

    def text(self, data: str) -> None:
        if self.open and self.open[-1] in ("title", "language"):
            self.said.append(data)


def _collection(text: str) -> list[Node]:
    """OpenStax's collection XML (http://cnx.rice.edu/collxml): subcollections with titles, modules by name."""
    found = _Collection()
    parse_xml(text, found.start, found.end, found.text)
    return found.found


def parse_xml(text: str, start: Any, end: Any, data: Any) -> None:
    """Call handlers for a document's elements and text.

    Raises:
        Unreadable: it is not well formed, or declares a document type.
    """
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data

    def refuse(*given: Any) -> None:
        raise Unreadable("doctype", "it declares a document type; entities are not read")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise Unreadable("xml", f"not well-formed XML: {error}") from error


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable("json", f"not JSON: {error}") from error


def _yaml(text: str) -> Any:
    """YAML's lists, mappings and scalars (all as text), from its events."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > YAML_MOST:
        raise Unreadable("too_long", f"{len(text):,} characters of YAML, more than {YAML_MOST:,}; use JSON")
    top: list[Any] = []
    stack: list[Any] = [top]
    keys: list[Any] = [None]
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            kind = type(event).__name__
            if kind in ("SequenceEndEvent", "MappingEndEvent"):
                stack.pop()
                keys.pop()
                continue
            if kind not in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent", "AliasEvent"):
                continue
            value: Any = {"ScalarEvent": getattr(event, "value", ""), "AliasEvent": ""}.get(kind)
            value = [] if kind == "SequenceStartEvent" else {} if kind == "MappingStartEvent" else value
            inner, key = stack[-1], keys[-1]
            if isinstance(inner, list):
                inner.append(value)
            elif key is None and isinstance(value, str):
                keys[-1] = value
            else:
                inner[key if key is not None else "?"] = value
                keys[-1] = None
            if isinstance(value, (list, dict)):
                stack.append(value)
                keys.append(None)
            if len(stack) > 3 * DEEPEST:
                raise Unreadable("too_deep", f"nested more than {DEEPEST} levels")
    except (YAMLError, ValueError, AttributeError) as error:
        raise Unreadable("yaml", f"not YAML: {' '.join(str(error).split())[:200]}") from error
    return top[0] if len(top) == 1 else top


def _tree(value: Any, name: str) -> Iterator[Node]:
    """Nested lists and mappings: books at the top, or one book, or the units of one."""
    todo: list[tuple[int, Any]] = []
    if isinstance(value, dict) and (inner := [value[key] for key in ("books", "courses") if key in value]):
        value = inner[0]
    if isinstance(value, list) and value and all(isinstance(one, dict) and _below(one) for one in value):
        todo = [(0, one) for one in value]
    elif isinstance(value, dict) and _titled(value) and _below(value):
        todo = [(0, value)]
    elif isinstance(value, (dict, list)):
        yield Node(0, name)
        todo = [(1, one) for one in _entries(value)]
    many = 0
    todo.reverse()
    while todo:
        level, one = todo.pop()
        many += 1
        _bounded(level, many)
        if not isinstance(one, dict):
            if isinstance(one, (str, int, float)) and not isinstance(one, bool):
                yield Node(level, str(one))
            elif isinstance(one, list):
                todo += [(level, inner) for inner in reversed(one)]
            continue
        if not _titled(one):
            todo += [(level, inner) for inner in reversed(_entries(one))]
            continue
        key = next(key for key in TITLES if isinstance(one.get(key), str) and one[key].strip())
        text = next((one[k] for k in EXTRACTS if k != key and isinstance(one.get(k), str)), "")
        said = one.get("language")
        yield Node(
            level, one[key] or (name if level == 0 else ""), text, language=said if isinstance(said, str) else ""
        )
        todo += [(level + 1, inner) for under in reversed(_below(one)) for inner in reversed(_entries(under))]


def _titled(value: dict[str, Any]) -> bool:
    return any(isinstance(value.get(key), str) and value[key].strip() for key in TITLES)


def _below(value: dict[str, Any]) -> list[Any]:
    """What lies under a node, whatever the key is called."""
    return [value[key] for key in UNDER if isinstance(value.get(key), (list, dict))]


def _entries(value: Any) -> list[Any]:
    """What a list or a mapping of titles to what is below them holds, as nodes."""
    if isinstance(value, list):
        return value
    if _titled(value):
        return [value]
    return [
        {"title": str(key), "units": inner} if isinstance(inner, (list, dict)) else
        {"title": str(key), "extract": inner if isinstance(inner, str) else ""}
        for key, inner in value.items()
    ]  # fmt: skip


_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_LINKED = re.compile(r"^([ \t]*)(?:[-*+]|\d{1,4}[.)])[ \t]+\[([^\]\n]{1,300})\]\([^)\n]*\)[ \t]*$")
_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})")


def _markdown(text: str, name: str) -> Iterator[Node]:
    """Headings, with the text below each; list items that are a link alone (mdBook's SUMMARY.md) are units as well.

    The first heading names the book where it is the only one of its level.
    """
    found: list[Node] = []
    base, fence = 0, ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
            continue
        heading, link = (None, None) if fence or len(line) > LINE else (_HEADING.match(line), _LINKED.match(line))
        if heading:
            base = len(heading[1])
            found.append(Node(base, heading[2]))
        elif link:
            found.append(Node(base + 1 + len(link[1].expandtabs(4)) // 2, link[2]))
        elif found and line.strip() and len(found[-1].text) < 4_000:
            found[-1].text += line.strip()[:4_000] + "\n"
        _bounded(0, len(found))
    top = min((node.level for node in found), default=0)
    if not found or found[0].level > top or sum(node.level == top for node in found) > 1:
        yield Node(0, name)
        top -= 1
    levels = [top]
    for node in found:
        while len(levels) > 1 and levels[-1] >= node.level:
            levels.pop()
        if node.level > levels[-1]:
            levels.append(node.level)
        node.level = len(levels) - 1
        yield node
