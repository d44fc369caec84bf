"""One reply to each prompt, as JSON of a given schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import orjson
import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.stages.generate._prompted import ERRORS, Prompted
from hornbook.stages.generate._schemas import ClassPath, Form, canonical
from hornbook.teachers.json_text import json_in

_ECHOED = 4_000
"""Characters of a reply that was of no use that are shown to the model again; our choice, some 1,000 tokens."""
_FAULTS = 300
"""Tokens that the faults of one reply take at most (`_schemas`: three of 300 characters)."""
_ASKED = "Reply with JSON alone, which fits this JSON schema:"
_COLUMN = "json."


class Structured(Prompted):
    """Asks the teacher every prompt for JSON of a given schema, and again where the reply does not fit.

    The schema goes out with the request: servers that know `response_format` and the local teacher bind the
    reply to it. Whatever comes back is read and checked. Where it is no JSON or does not fit, the teacher is
    asked again, in the same conversation, with the fault named. Each try is a request of its own in the
    journal.

    Marks: `text` (the JSON, keys sorted, no white space), `json.NAME` for every top-level property with a
    scalar type (string, integer, number, boolean; null where it is missing), `generate.tries`,
    `generate.prompt_tokens` and `generate.tokens` (of all tries), `generate.finish`, `generate.characters`
    (of `text`), `generate.request` (the last try's key), `generate.error` and `generate.detail`.

    Drops: `parse` (no JSON in the last reply), `schema` (it does not fit), and the classes of error of
    generate.complete (`refusal`, `filter`, `length`, `empty`, `transport`, `rejected`).

    Raises:
        UserError: there is neither a column `prompt` nor `messages`.
    """

    json_schema: Annotated[dict[str, Any] | ClassPath | InputPath, Field(union_mode="left_to_right")] = knob(
        help="what the reply must be: a JSON schema, the path of a .json file with one, or `mypkg.module:Name`, "
        "a pydantic model",
    )
    tries: int = knob(2, help="how often a reply that does not fit is asked for again", unit="requests", ge=0, le=20)
    instruct: bool = knob(
        True,
        help="put the schema under the prompt, in words; needed where the server does not bind replies, and models "
        "fill in a form better when they have read it",
    )
    code: str = knob("", help="filled in: a digest of the pydantic model, so that a changed class asks anew")

    @model_validator(mode="before")
    @classmethod
    def _knows_its_class(cls, given: Any) -> Any:
        """A class stands in the recipe by name: what it says now is part of the step's key."""
        if isinstance(given, dict) and isinstance(given.get("json_schema"), str) and ":" in given["json_schema"]:
            return given | {"code": ""}
        return given

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, given: Any) -> Any:
        Form.of(given)
        return given

    @model_validator(mode="after")
    def _with_code(self) -> Structured:
        object.__setattr__(self, "code", self._form.digest())
        return self

    @cached_property
    def _form(self) -> Form:
        return Form.of(self.json_schema)

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first try of each row; None where the row has no prompt or broken messages."""
        params, schema = self.params(), self._form.schema
        told = f"\n\n{_ASKED}\n{orjson.dumps(schema).decode()}" if self.instruct else ""
        for messages, sample in zip(self.prompts(piece), self.samples(piece), strict=True):
            if isinstance(messages, str):
                yield None
                continue
            *before, last = messages
            said = (*before, {"role": last["role"], "content": last["content"] + told})
            yield Request(model, messages=said, params=params, schema=schema, sample=sample)

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The same conversation with the reply and its fault, where it did not fit and tries are left."""
        if len(asked) > self.tries:
            return None
        error, detail, _ = self._read(replies[-1])
        if error not in ("parse", "schema") or (replies[-1].error not in (None, "empty")):
            return None
        reply = replies[-1]
        cut = " It was cut off: be shorter." if reply.finish == "length" else ""
        fault = f"That cannot be used: {detail}.{cut}\n\n{_ASKED}\n{orjson.dumps(self._form.schema).decode()}"
        wrong = {"role": "assistant", "content": reply.text.strip()[:_ECHOED] or "(no text)"}
        return replace(asked[-1], messages=(*asked[-1].messages, wrong, {"role": "user", "content": fault}))

    def ahead(self) -> Sequence[Ahead]:
        """Further tries, each with all replies and faults before it; none of them where the teacher fits the form."""
        words = f"{_ASKED}\n{orjson.dumps(self._form.schema).decode()}"
        return [Ahead("again", 0.0, 1, at, words * at, _FAULTS * at) for at in range(1, self.tries + 1)]

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The values, and what became of each row."""
        read = [self._read(reply) for reply in replies]
        errors, details = [error for error, _, _ in read], [detail or None for _, detail, _ in read]
        if any(reply.error == "rejected" and not reply.key for reply in replies):
            for at, found in enumerate(self.prompts(piece)):
                details[at] = found if isinstance(found, str) else details[at]
        texts = [
            reply.text.strip() if error else canonical(value)
            for reply, (error, _, value) in zip(replies, read, strict=True)
        ]
        every = [(*reply.before, reply) for reply in replies]
        marks = {
            TEXT: pa.array(texts, pa.string()),
            "generate.finish": pa.array([r.finish for r in replies], pa.string()),
            "generate.tries": pa.array([sum(bool(r.key) for r in all_) for all_ in every], pa.int64()),
            "generate.prompt_tokens": pa.array([sum(r.prompt_tokens for r in all_) for all_ in every], pa.int64()),
            "generate.tokens": pa.array([sum(r.completion_tokens for r in all_) for all_ in every], pa.int64()),
            "generate.characters": pa.array([len(text) for text in texts], pa.int64()),
            "generate.request": pa.array([r.key for r in replies], pa.string()),
            "generate.error": pa.array(errors, pa.string()),
            "generate.detail": pa.array(details, pa.string()),
        }
        values = [None if error else value for error, _, value in read]
        return pa.table(marks | self._columns(values))

    def drops(self) -> dict[str, Rule]:
        """One reason for each class of error."""
        kinds = [kind for each in ERRORS for kind in ((each, "schema") if each == "parse" else (each,))]
        return {kind: Rule("generate.error", "==", kind, evidence="generate.detail") for kind in kinds}

    def _read(self, reply: Reply) -> tuple[str | None, str, Any]:
        """(class of error or None, the fault, the value)."""
        if reply.error is not None and reply.error != "empty":
            return reply.error, reply.detail, None
        value, fault = json_in(reply.text, lambda found: not self._form.faults(found))
        if fault:
            cut = reply.finish == "length"
            return "parse", f"{fault} (cut at max_tokens)" if cut else fault, None
        fault = self._form.faults(value) or _too_large(value, self._form)
        return ("schema", fault, None) if fault else (None, "", value)

    def _columns(self, values: Sequence[Any]) -> dict[str, pa.Array]:
        """Scalar properties as columns, null where there is none."""
        found = {}
        for name, kind in self._form.columns().items():
            cells = [value.get(name) if isinstance(value, dict) else None for value in values]
            if pa.types.is_floating(kind):
                cells = [None if cell is None else float(cell) for cell in cells]
            elif pa.types.is_integer(kind):
                cells = [None if cell is None else int(cell) for cell in cells]
            found[_COLUMN + name] = pa.array(cells, kind)
        return found


def _too_large(value: Any, form: Form) -> str:
    """The fault of an integer that no column can hold, '' where there is none."""
    for name, kind in form.columns().items():
        cell = value.get(name) if isinstance(value, dict) else None
        if pa.types.is_integer(kind) and isinstance(cell, (int, float)) and not -(2**63) <= cell < 2**63:
            return f"{name}: {cell} does not fit 64 bits"
    return ""
