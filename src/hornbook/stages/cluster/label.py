"""cluster.label: a teacher names each cluster and says of what use it is for teaching."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Ask

_SLOT = re.compile(r"\{(keywords|extracts)\}")
_OBJECT = re.compile(r"\{[^{}]*\}")
LOWEST, HIGHEST = 1, 10
LONGEST = 100
"""Characters of a topic at most. Our choice."""
_READ = 20_000
"""Characters of a reply that are read."""
_ECHOED = 1000
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "score": {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))},
    },
    "required": ["topic", "score"],
    "additionalProperties": False,
}
_FORM = 'JSON: {"topic": "…", "score": N}'


class Label(Ask):
    """Asks for each cluster's topic and its educational value, 1 to 10, from the extracts that stand above.

    One request a cluster; where the reply cannot be read it is asked again, in the same conversation, with the fault
    named. Topics are told apart: clusters whose topics are the same but for case get keywords behind them, and where
    these are the same too, their number. So a topic means one cluster in `cluster.select`.

    Marks: `cluster.topic` (string), `cluster.score` (int32, 1 to 10), `cluster.tries` (int32, requests),
    `cluster.error` (string, why there is no topic), `cluster.request` (string, the last request's key).

    Drops nothing.

    Raises:
        UserError: the words cannot be read, or have no place for the extracts.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT, "cluster.id", "cluster.keywords")
    varied: ClassVar[bool] = False

    words: InputPath = knob(
        InputPath("shipped:clusters/label.en.txt"),
        help="what is asked: a text file with {extracts} and perhaps {keywords} in it; "
        "shipped:clusters/label.zh.txt asks in Chinese",
        source="text-clustering: a topic and an educational value from 1 to 10; the words are ours",
    )
    tries: int = knob(2, help="how often a reply that cannot be read is asked for again", unit="requests", ge=0, le=20)
    max_tokens: int = knob(100, help="longest reply", unit="tokens", ge=10)
    temperature: float | None = knob(0.0, help="sampling temperature; null: the teacher's own", ge=0, le=5)
    bind: bool = knob(True, help="have the server bind the reply to JSON")

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """One request for each row; None for one without text."""
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            params["temperature"] = self.temperature
        for row in piece.to_pylist():
            if not row[TEXT]:
                yield None
                continue
            values = {"extracts": row[TEXT], "keywords": ", ".join(row.get("cluster.keywords") or []) or "-"}
            said = _SLOT.sub(lambda found, values=values: values[found[1]], self._words)  # type: ignore[misc]
            messages = ({"role": "user", "content": f"{said.rstrip()}\n\n{_FORM}"},)
            yield Request(model, messages=messages, params=params, schema=SCHEMA if self.bind else None)

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The same conversation with the fault named, where the reply cannot be read and tries are left."""
        reply = replies[-1]
        if len(asked) > self.tries or reply.error not in (None, "empty", "length", "parse") or not _read(reply)[2]:
            return None
        wrong = {"role": "assistant", "content": reply.text.strip()[:_ECHOED] or "-"}
        fault = {"role": "user", "content": f"{_read(reply)[2]}.\n\n{_FORM}"}
        return replace(asked[-1], messages=(*asked[-1].messages, wrong, fault))

    def ahead(self) -> Sequence[Ahead]:
        """Each further try holds the one before."""
        return [
            Ahead("again", likely=0.05, replies=at, words=_FORM, tokens=self.max_tokens)
            for at in range(1, self.tries + 1)
        ]

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The topics, told apart, and the scores."""
        read = [_read(reply) for reply in replies]
        has = piece.column_names
        words = piece.column("cluster.keywords").to_pylist() if "cluster.keywords" in has else [[]] * piece.num_rows
        ids = piece.column("cluster.id").to_pylist() if "cluster.id" in has else list(range(piece.num_rows))
        topics = told_apart([topic for topic, _, _ in read], words, ids)
        tries = [sum(bool(one.key) for one in (*reply.before, reply)) for reply in replies]
        return pa.table(
            {
                "cluster.topic": pa.array(topics, pa.string()),
                "cluster.score": pa.array([score for _, score, _ in read], pa.int32()),
                "cluster.tries": pa.array(tries, pa.int32()),
                "cluster.error": pa.array([fault or None for _, _, fault in read], pa.string()),
                "cluster.request": pa.array([reply.key or None for reply in replies], pa.string()),
            }
        )

    def outcome(self, reply: Reply) -> str | None:
        """The topic."""
        return _read(reply)[0]

    @cached_property
    def _words(self) -> str:
        path = Path(local_path(self.words))
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read what is asked: {error}", where=str(path), fix="words: a text file") from error
        if "{extracts}" not in text:
            raise UserError("there is no {extracts} in it", where=str(path), fix="write {extracts} where they belong")
        return text


def told_apart(
    topics: Sequence[str | None], keywords: Sequence[Sequence[str] | None], ids: Sequence[int | None]
) -> list[str | None]:
    """Topics, of which those that are the same but for case have keywords or their cluster's number behind them."""
    found = list(topics)
    for at in _same(found):
        topic = str(topics[at])
        others = [word for word in keywords[at] or [] if word not in topic.casefold()][:2]
        found[at] = f"{topic} ({', '.join(others)})" if others else topic
    for at in _same(found):
        found[at] = f"{found[at]} #{ids[at]}"
    return found


def _same(topics: Sequence[str | None]) -> list[int]:
    """Where topics stand that are not the only ones of their kind."""
    folded = [None if topic is None else topic.casefold() for topic in topics]
    counts: dict[str, int] = {}
    for one in folded:
        if one is not None:
            counts[one] = counts.get(one, 0) + 1
    return [at for at, one in enumerate(folded) if one is not None and counts[one] > 1]


def _read(reply: Reply) -> tuple[str | None, int | None, str]:
    """(topic, score, what is wrong)."""
    if reply.error not in (None, "empty", "length", "parse"):
        return None, None, f"{reply.error}: {reply.detail}"
    said = reply.text.rpartition("</think>")[2][-_READ:]
    fault = "there is no JSON object in the reply"
    for found in (said, *reversed(_OBJECT.findall(said))):
        try:
            value = json.loads(found, strict=False)
        except (ValueError, RecursionError):
            continue
        topic, score, fault = _checked(value if isinstance(value, dict) else {})
        if not fault:
            return topic, score, ""
    return None, None, fault


def _checked(value: Any) -> tuple[str, int, str]:
    topic = _plain(value.get("topic"))
    score = value.get("score")
    if isinstance(score, str) and score.strip().isdecimal():
        score = int(score)
    if not topic:
        return "", 0, "`topic` must be some words"
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not LOWEST <= score <= HIGHEST:
        return "", 0, f"`score` must be a whole number from {LOWEST} to {HIGHEST}"
    return topic, round(score), ""


def _plain(topic: Any) -> str:
    """A topic in one line, without what cannot be seen."""
    if not isinstance(topic, str):
        return ""
    seen = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in topic[: 10 * LONGEST])
    return " ".join(seen.split())[:LONGEST].strip(" .\"'")
