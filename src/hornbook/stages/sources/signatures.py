"""Functions to be written as exercises, proposed by the teacher for topics: names with signatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.stages.sources._asking import Asking, language_of
from hornbook.stages.sources._grammar import DIFFICULTIES
from hornbook.stages.sources._proposing import Proposed, asked, replay, schema_of, signatures_in

_FUNCTIONS = pa.list_(
    pa.struct(
        [("text", pa.string()), ("entry_point", pa.string()), ("signature", pa.string()), ("difficulty", pa.string())]
    )
)
_READ = (ID, TEXT, "language")


class Signatures(Asking):
    """Asks for functions about every topic, of every difficulty, in rounds: more, not those, until there are enough.

    phi-1's exercises differ because each is about another function name (arXiv:2306.11644, section 2.3); here the
    teacher proposes the names, with typed signatures. Within a topic a name counts once: by its words in any order,
    fillers and plurals aside, words that say the same (compute, find, get) as one. Over all topics: dedup.names.

    Reads `text` (a topic, such as those of shipped:code/topics.jsonl) and `language`.

    Marks: `signatures.functions` (list of {text, entry_point, signature, difficulty}, for sources.spread with
    `prefix: "code."`), `code.topic` (the topic), `signatures.rounds` (int32, replies with a signature),
    `signatures.alike` (int32, left out as known), `signatures.error`, `signatures.detail`.

    Drops: `blank` (no topic), `no_signature`, and the classes of error of generate.complete where nothing was found
    before.
    """

    version: ClassVar[str] = "1"
    mark: ClassVar[str] = "signatures"
    reads: ClassVar[tuple[str, ...] | None] = _READ
    chooses: ClassVar[tuple[str, ...]] = (TEXT,)

    each: int = knob(10, help="wanted of every difficulty of a topic", unit="functions", ge=1, le=2000)
    difficulties: list[Literal["easy", "medium", "hard"]] = knob(
        default_factory=lambda: list(DIFFICULTIES), help="asked for one after the other"
    )
    at_once: int = knob(10, help="asked for in one request", unit="functions", ge=1, le=100)
    rounds: int = knob(4, help="most requests for one difficulty of a topic", unit="requests", ge=1, le=200)
    stale: int = knob(2, help="rounds in a row with nothing new that end a difficulty", ge=1, le=50)

    @field_validator("difficulties")
    @classmethod
    def _some(cls, given: list[str]) -> list[str]:
        if not given or len(set(given)) < len(given):
            raise ValueError("name at least one, and none twice")
        return given

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """Rows with a topic in them."""
        return [_topic(text) != "" for text in piece.column(TEXT).to_pylist()]

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first round of each topic."""
        for row in _rows(piece):
            yield self._request(model, row, Proposed(), 0) if _topic(row[TEXT]) else None

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next round, of this difficulty or of the next."""
        done = self._replay(replies)
        if done.error or done.at >= len(self.difficulties):
            return None
        return self._request(asked[0].model, row, done, len(asked))

    def ahead(self) -> Sequence[Ahead]:
        """The other rounds: as many as the wanted number needs, and perhaps those after."""
        need = len(self.difficulties) * -(-self.each // self.at_once)
        rest = range(1, len(self.difficulties) * self.rounds)
        return [Ahead("more", 1.0 if at < need else 0.3, shown=500, tokens=self.max_tokens) for at in rest]

    def outcome(self, reply: Reply) -> str | None:
        """The signatures, one a line."""
        lines = [one.line for reply in (*reply.before, reply) for one in signatures_in(reply.text)]
        return "\n".join(lines) or None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The functions of each topic."""
        rows = [self._marks(row, reply) for row, reply in zip(_rows(piece), replies, strict=True)]
        kinds = {"signatures.functions": _FUNCTIONS, "code.topic": pa.string(), "signatures.rounds": pa.int32()}
        kinds |= {"signatures.alike": pa.int32(), "signatures.error": pa.string(), "signatures.detail": pa.string()}
        return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()})

    def drops(self) -> dict[str, Rule]:
        """One reason for each class of error."""
        return self.errors("blank", "no_signature")

    def _replay(self, replies: Sequence[Reply]) -> Proposed:
        return replay(replies, self.difficulties, self.each, self.rounds, self.stale)

    def _request(self, model: str, row: Mapping[str, Any], done: Proposed, sample: int) -> Request:
        level = self.difficulties[done.at]
        many = min(self.at_once, max(self.each - done.mine, min(3, self.at_once)))
        said = asked(_topic(row[TEXT]), level, many, done.names(), language_of(row))
        return replace(self.request(model, said, schema_of(self.at_once)), sample=sample)

    def _marks(self, row: Mapping[str, Any], last: Reply) -> dict[str, Any]:
        topic = _topic(row[TEXT])
        if not topic:
            return {"signatures.error": "blank", "signatures.detail": "no topic"}
        done = self._replay((*last.before, last))
        found: dict[str, Any] = {"code.topic": topic, "signatures.rounds": done.rounds, "signatures.alike": done.alike}
        if not done.found:
            said = done.detail or f"no signature in {len(last.before) + 1} replies"
            return found | {"signatures.error": done.error or "no_signature", "signatures.detail": said}
        functions = [
            {"text": one.line, "entry_point": one.name, "signature": one.line, "difficulty": level}
            for level, one in done.found
        ]
        return found | {"signatures.functions": functions}


def _rows(piece: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = piece.select([name for name in _READ if name in piece.column_names]).to_pylist()
    return rows


def _topic(text: str | None) -> str:
    """A topic on one line, at most 200 characters; '' where there is no letter in it."""
    said = " ".join((text or "")[:2_000].replace("\x00", " ").split())[:200]
    return said if any(char.isalnum() for char in said) else ""
