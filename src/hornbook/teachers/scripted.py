"""Replies from a file or a rule: no model, no network, the same every time. For tests and dry runs."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, get_args

import orjson

from hornbook.core.asking import ErrorClass, Raw, Request, TeacherError
from hornbook.core.errors import UserError
from hornbook.core.keys import digest
from hornbook.core.knobs import local_path
from hornbook.teachers.spec import TeacherSpec

FIELDS = {"match", "key", "text", "finish", "refusal", "fail"}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a replies file."""

    match: re.Pattern[str] | None
    key: str
    text: str
    finish: str
    refusal: str
    fail: ErrorClass | None


class Scripted:
    """A teacher that says what a file or a rule says.

    A line of the file is `{"match": regex, "text": …}` or `{"key": request key, "text": …}`; the first
    that fits answers, and where none does the rule answers. `finish` sets the finish reason, `refusal`
    makes a refusal, `fail` (a class of failure) makes the request fail for good. The rule `echo` says
    the prompt, `story` a short story drawn from the request's key with the prompt's words in it; with
    a JSON schema either says an instance of the schema. A reply is cut at `max_tokens` words.

    Args:
        spec: `replies`, `rule`, `latency`, `concurrency`.

    Raises:
        UserError: the file cannot be read, or a line of it cannot be used.
    """

    def __init__(self, spec: TeacherSpec) -> None:
        self._rule = spec.rule
        self._latency = spec.latency
        replies = Path(local_path(spec.replies or ""))
        self._lines = _read(replies) if spec.replies else []
        content = replies.read_bytes() if spec.replies else b""
        self.name = f"scripted-{spec.rule}" + (f"@{digest(content)[:16]}" if content else "")
        self.concurrency = spec.concurrency
        self.context = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def ask(self, request: Request) -> Raw:
        """The reply that the file or the rule has for a request.

        Raises:
            TeacherError: the line that fits says `fail`.
        """
        await asyncio.sleep(self._latency)
        prompt = request.prompt or "\n".join(m.get("content", "") for m in request.messages)
        key = request.key()
        line = next((one for one in self._lines if _fits(one, key, prompt)), None)
        if line is not None and line.fail is not None:
            raise TeacherError(line.text or "the script says so", kind=line.fail, retry=False)
        text = line.text if line is not None else self._said(request, prompt, key)
        text, tokens, cut = _cut(text, request.params.get("max_tokens"))
        finish = (line.finish if line is not None else "") or ("length" if cut else "stop")
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        if request.messages:
            choice["message"] = {"role": "assistant", "content": text}
            if line is not None and line.refusal:
                choice["message"] |= {"content": None, "refusal": line.refusal}
        else:
            choice["text"] = text
        body = {
            "id": key,
            "model": self.name,
            "choices": [choice],
            "usage": {"prompt_tokens": len(prompt.split()), "completion_tokens": tokens},
        }
        return Raw(orjson.dumps(body), self._latency)

    def _said(self, request: Request, prompt: str, key: str) -> str:
        rng = random.Random(int(key, 16))
        if request.schema is not None:
            return orjson.dumps(_instance(dict(request.schema), rng)).decode()
        return prompt if self._rule == "echo" else _story(prompt, rng)


def _fits(line: _Line, key: str, prompt: str) -> bool:
    return line.key == key if line.match is None else line.match.search(prompt) is not None


def _cut(text: str, limit: Any) -> tuple[str, int, bool]:
    """(at most `limit` words of the text, how many, whether it was cut)."""
    words = list(re.finditer(r"\S+", text))
    if not isinstance(limit, int) or len(words) <= limit:
        return text, len(words), False
    return text[: words[limit - 1].end()], limit, True


def _read(path: Path) -> list[_Line]:
    try:
        rows = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", where="teacher.replies") from error
    return [_line(row, f"{path}:{at}") for at, row in enumerate(rows, 1) if row.strip()]


def _line(row: bytes, where: str) -> _Line:
    fix = '{"match": "regular expression", "text": "the reply"}'
    try:
        found = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        raise UserError(f"not JSON: {error}", where=where, fix=fix) from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise UserError("a line must be a JSON object of strings", where=where, fix=fix)
    if unknown := sorted(found.keys() - FIELDS):
        raise UserError(f"unknown field {', '.join(unknown)}", where=where, fix=f"fields: {', '.join(sorted(FIELDS))}")
    if ("match" in found) == ("key" in found):
        raise UserError("a line needs either match or key", where=where, fix=fix)
    fail = found.get("fail")
    if fail is not None and fail not in get_args(ErrorClass):
        raise UserError(f"fail = {fail}", where=where, fix=f"one of {', '.join(get_args(ErrorClass))}")
    try:
        match = re.compile(found["match"], re.DOTALL) if "match" in found else None
    except re.error as error:
        raise UserError(f"match is no regular expression: {error}", where=where, fix=fix) from error
    return _Line(
        match=match,
        key=found.get("key", ""),
        text=found.get("text", ""),
        finish=found.get("finish", ""),
        refusal=found.get("refusal", ""),
        fail=cast("ErrorClass | None", fail),
    )


NAMES = ("Lily", "Tom", "Mia", "Ben", "Sara", "Max", "Anna", "Sam", "Zoe", "Leo")
PLACES = ("garden", "park", "kitchen", "forest", "beach", "school", "farm", "attic")
THINGS = ("ball", "kite", "box", "cake", "shell", "drum", "lamp", "boat", "hat", "stone")
MOODS = ("happy", "shy", "brave", "sleepy", "curious", "proud", "kind", "silly")
TURNS = (
    "{name} found a {thing} in the {place}.",
    "It was {mood} work, and {friend} came to help.",
    "{friend} said, “May I hold the {thing}?”",
    "At first {name} said no, but then felt {mood}.",
    "They carried the {thing} all the way to the {place}.",
    "Suddenly the {thing} fell down with a loud bump.",
    "“Do not cry,” said {friend}. “We can mend it.”",
    "They looked under the bed, behind the door and in the {place}.",
    "A small dog barked at the {thing} and ran away.",
    "The wind blew and the {place} smelled of rain.",
)


def _story(prompt: str, rng: random.Random) -> str:
    """A story of six to nine sentences; the last long words of the prompt are in it."""
    wanted = list(dict.fromkeys(re.findall(r"[a-z]{3,12}", prompt.lower())))[-3:]
    name, friend = rng.sample(NAMES, 2)

    def fill(turn: str) -> str:
        return turn.format(
            name=name, friend=friend, place=rng.choice(PLACES), thing=rng.choice(THINGS), mood=rng.choice(MOODS)
        )

    turns = [fill(turn) for turn in rng.sample(TURNS, rng.randint(4, 7))]
    turns += [f"{name} thought about the word “{word}” and smiled." for word in wanted]
    opening = f"{name} lived near the {rng.choice(PLACES)} with {friend}."
    return " ".join([opening, *turns, f"In the end everyone was {rng.choice(MOODS)}."])


def _instance(schema: dict[str, Any], rng: random.Random, depth: int = 0) -> Any:
    """A JSON value that fits a schema of the plain kind (no references, patterns or conditions)."""
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return _instance(schema[name][0], rng, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(schema["enum"])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _instance(sub, rng, depth + 1) for name, sub in schema.get("properties", {}).items()}
    if kind == "array":
        few = max(schema.get("minItems", 0), min(1, schema.get("maxItems", 1))) if depth < 8 else 0
        return [_instance(schema.get("items", {}), rng, depth + 1) for _ in range(few)]
    return _scalar(kind, schema, rng)


def _scalar(kind: str, schema: dict[str, Any], rng: random.Random) -> Any:
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "null":
        return None
    if kind in ("integer", "number"):
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low + 10)
        return rng.randint(int(low), int(high)) if kind == "integer" else round(rng.uniform(low, high), 3)
    text = " ".join(rng.choice(THINGS + MOODS) for _ in range(4)).ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength", len(text))]
