"""One level of a tree of topics, grown by the teacher: the children of every node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.kernels.embedders import NAMES, possible
from hornbook.stages.sources._asking import FINAL, Asking, language_of
from hornbook.stages.sources._growing import Grown, Meanings, asked, names_in, schema_of

PATHS = ("topics.path", "topics.children_path")
"""Where a node's path may stand: as this stage names it, and as sources.spread does by itself."""
_CHILDREN = pa.list_(pa.struct([("text", pa.string()), ("path", pa.list_(pa.string())), ("level", pa.int32())]))
_SAME = 0.05


class Topics(Asking):
    """Asks for the children of every topic, in rounds: some more, not those, until there are enough or nothing is new.

    A child counts once: by its letters (case, spaces, hyphens and a plural's s aside), then by its meaning (cosine of
    vectors). It is not one of the names above it either. What kind of children is asked for goes by the level: areas
    of a domain, topics, subtopics, concepts. Levels are steps of the recipe.

    Reads `text` (a topic), and where there are such columns `topics.path` (list of names from the domain to it) and
    `language`.

    Marks: `topics.children` (list of {text, path, level}; level is 1 for a root's children), `topics.rounds` (int32,
    replies that were of use), `topics.alike` (int32, names left out for their meaning), `topics.error`,
    `topics.detail`.

    Drops: `blank` (no topic, nothing asked), `no_children`, and the classes of error of generate.complete (`refusal`,
    `filter`, `length`, `empty`, `transport`, `rejected`), where no child was there before.
    """

    version: ClassVar[str] = "1"
    mark: ClassVar[str] = "topics"
    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT, "language", *PATHS)
    chooses: ClassVar[tuple[str, ...]] = (TEXT,)

    children: int = knob(
        20, help="wanted for each topic; three levels of 20 make 8,000 of one", unit="topics", ge=1, le=2000
    )
    at_once: int = knob(
        10, help="asked for in one request; small teachers lose count above ten", unit="topics", ge=1, le=200
    )
    rounds: int = knob(8, help="most requests for one topic", unit="requests", ge=1, le=500)
    stale: int = knob(2, help="rounds in a row with nothing new that end it: the teacher repeats itself", ge=1, le=50)
    epsilon: float = knob(
        _SAME,
        help="names with a cosine of 1 - epsilon or more are one topic; 0 compares letters alone",
        source="measured on short names, docs/stages/sources.topics.md",
        ge=0.0,
        lt=1.0,
    )
    embedding: str = knob("wordllama", help=NAMES, source="quality.classifier")

    _possible = field_validator("embedding")(possible)

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """Rows with a topic in them."""
        return [_sound(text) != "" for text in piece.column(TEXT).to_pylist()]

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first round of each topic."""
        for row in _rows(piece):
            topic = _sound(row[TEXT])
            yield self._request(model, row, topic, [], 0) if topic else None

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next round, with what is known, where there are too few and the teacher still has something new."""
        grown = self._grown(row, replies)
        enough = len(grown.names) >= self.children or grown.stale >= self.stale
        if grown.error or enough or len(asked) >= self.rounds:
            return None
        return self._request(asked[0].model, row, _sound(row[TEXT]), grown.names, len(asked))

    def ahead(self) -> Sequence[Ahead]:
        """The other rounds: as many as the wanted number needs, and perhaps those after."""
        need = -(-self.children // self.at_once)
        rest = range(1, self.rounds)
        return [
            Ahead("more", likely=1.0 if at < need else 0.3, replies=min(at, 6), tokens=self.max_tokens) for at in rest
        ]

    def outcome(self, reply: Reply) -> str | None:
        """The names, one a line."""
        names = [name for one in (*reply.before, reply) for name in names_in(one)[0]]
        return "\n".join(names) or None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        rows = [self._marks(row, reply) for row, reply in zip(_rows(piece), replies, strict=True)]
        kinds = {"children": _CHILDREN, "rounds": pa.int32(), "alike": pa.int32()}
        kinds |= {"error": pa.string(), "detail": pa.string()}
        return pa.table({f"topics.{name}": pa.array([row.get(name) for row in rows], k) for name, k in kinds.items()})

    def drops(self) -> dict[str, Rule]:
        return self.errors("blank", "no_children")

    def _request(self, model: str, row: Mapping[str, Any], topic: str, known: Sequence[str], sample: int) -> Request:
        many = min(self.at_once, self.children - len(known))
        said = asked(topic, _path(row), max(many, min(3, self.at_once)), known, language_of(row))
        return replace(self.request(model, said, schema_of(self.at_once)), sample=sample)

    def _grown(self, row: Mapping[str, Any], replies: Sequence[Reply]) -> Grown:
        """What the replies of a row have come to."""
        grown = Grown()
        path = _path(row)
        known = Meanings(self.embedding, self.epsilon, path)
        for reply in replies:
            if reply.error in FINAL:
                grown.error, grown.detail = reply.error or "", reply.detail
                break
            names, fault = names_in(reply)
            names, alike = known.fresh(names)
            grown.alike += alike
            grown.rounds += not fault
            grown.stale = 0 if names else grown.stale + 1
            grown.detail = fault or grown.detail
            grown.names += names
        grown.names = grown.names[: self.children]
        return grown

    def _marks(self, row: dict[str, Any], reply: Reply) -> dict[str, Any]:
        if not _sound(row[TEXT]):
            return {"error": "blank", "detail": "no topic"}
        grown = self._grown(row, (*reply.before, reply))
        found: dict[str, Any] = {"rounds": grown.rounds, "alike": grown.alike}
        if not grown.names:
            error = grown.error or "no_children"
            return found | {"error": error, "detail": grown.detail or f"nothing in {len(reply.before) + 1} replies"}
        path = _path(row)
        children = [{"text": name, "path": [*path, name], "level": len(path)} for name in grown.names]
        return found | {"children": children}


def _rows(piece: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in (ID, TEXT, "language", *PATHS) if name in piece.column_names]
    rows: list[dict[str, Any]] = piece.select(names).to_pylist()
    return rows


def _sound(text: str | None) -> str:
    """A topic's name on one line, at most 200 characters; '' where there is no letter in it."""
    said = " ".join((text or "")[:2_000].replace("\x00", " ").split())[:200]
    return said if any(char.isalnum() for char in said) else ""


def _path(row: Mapping[str, Any]) -> list[str]:
    """Names from the domain to the node, which is the last; a node without a path is a domain."""
    topic = _sound(row[TEXT])
    for name in PATHS:
        path = row.get(name)
        if isinstance(path, list) and path and path[-1] == row[TEXT]:
            return [*(one for one in path[:-1] if isinstance(one, str)), topic]
    return [topic]
