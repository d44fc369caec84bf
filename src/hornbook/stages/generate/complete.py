"""One reply to each prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.asking import Reply, Request
from hornbook.core.documents import MESSAGES, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Ask

_OWN = "unset: the teacher's own"
_COSMOPEDIA = "Cosmopedia (github.com/huggingface/cosmopedia, generation/llm_swarm_script.py) has "
_SAMPLING = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "stop",
)
_ERRORS = ("refusal", "filter", "parse", "length", "empty", "transport", "rejected")
_CLOSERS = "\"'\u201d\u2019\u00bb\u300d\u300f)\\]*_"
_ENDS = ".!?\u2026\u0964\u06d4\u061f"
_END = re.compile(
    rf"(?<![{_ENDS}])(?:(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)|(?=[{_ENDS}]{{2}}))[{_ENDS}]++[{_CLOSERS}]*+(?=\s|$)"
    rf"|[\u3002\uff01\uff1f]++[{_CLOSERS}]*+"
)
_LOOK_BACK = 4_000
"""Characters at the end in which the end of a sentence is looked for. Our choice: no sentence is longer."""


class Complete(Ask):
    """Asks the teacher every prompt once and puts the reply into `text`.

    A row's `messages` (JSON, a list of {"role", "content"}) are sent as they are, else its `prompt` as
    one user's message. Sampling parameters that are unset are the teacher's own, so that one recipe
    fits any teacher.

    Marks: `text`, `generate.finish` (stop, length … as the server said), `generate.prompt_tokens`,
    `generate.tokens`, `generate.characters` (of `text`), `generate.trimmed` (characters of an unfinished
    sentence taken off), `generate.request` (the request's key in the journal), `generate.error` and
    `generate.detail` (why there is no reply of use). How long a reply took is in the journal alone.

    Drops: one reason for each class of error (`refusal`, `filter`, `parse`, `length`, `empty`,
    `transport`, `rejected`), `truncated` where `drop_truncated` is set, `short` where `min_characters` is.

    Raises:
        UserError: there is neither a column `prompt` nor `messages`.
    """

    reads: ClassVar[tuple[str, ...] | None] = (PROMPT, MESSAGES)

    system: str = knob("", help="system message put before every prompt that has none of its own")
    max_tokens: int | None = knob(
        None, help=f"longest reply; {_OWN}", unit="tokens", ge=1, source=_COSMOPEDIA + "2,500"
    )
    temperature: float | None = knob(None, help=f"sampling temperature; {_OWN}", ge=0, le=5, source=_COSMOPEDIA + "0.6")
    top_p: float | None = knob(
        None, help=f"nucleus sampling; {_OWN}", unit="probability", gt=0, le=1, source=_COSMOPEDIA + "0.95"
    )
    top_k: int | None = knob(
        None, help=f"sample among this many tokens; {_OWN}", unit="tokens", ge=-1, source=_COSMOPEDIA + "50"
    )
    min_p: float | None = knob(
        None, help=f"leave out tokens less likely than this share of the likeliest; {_OWN}", ge=0, le=1
    )
    repetition_penalty: float | None = knob(
        None,
        help=f"divide the logits of tokens seen; {_OWN}",
        gt=0,
        source=_COSMOPEDIA + "1.2 (arXiv:1909.05858)",
    )
    frequency_penalty: float | None = knob(None, help=f"lower tokens by how often they came; {_OWN}", ge=-2, le=2)
    presence_penalty: float | None = knob(None, help=f"lower tokens that came at all; {_OWN}", ge=-2, le=2)
    stop: list[str] | None = knob(None, help=f"texts that end the reply; {_OWN}")
    trim: Literal["sentence", "none"] = knob(
        "sentence",
        help="where a reply was cut at max_tokens, take off the sentence it broke off in, so that no student "
        "learns to stop in the middle of one; none: for code, verse and lists",
    )
    min_characters: int = knob(
        0,
        help="replies with fewer characters are dropped as `short`",
        unit="characters",
        ge=0,
        threshold=True,
    )
    drop_truncated: bool = knob(False, help="drop replies that were cut at max_tokens, as `truncated`", threshold=True)

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """One request a row; None where the row has no prompt or broken messages."""
        params = {name: getattr(self, name) for name in _SAMPLING}
        params = {name: value for name, value in params.items() if value is not None}
        for messages in self._messages(piece):
            yield None if isinstance(messages, str) else Request(model, messages=messages, params=params)

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The replies' texts and what the server said about them."""
        texts, trimmed = [], []
        for reply in replies:
            whole = reply.text.strip()
            text = _trimmed(whole) if self.trim == "sentence" and reply.finish == "length" else whole
            texts.append(text)
            trimmed.append(len(whole) - len(text))
        errors, details = self._errors(piece, replies, texts)
        return pa.table(
            {
                TEXT: pa.array(texts, pa.string()),
                "generate.finish": pa.array([r.finish for r in replies], pa.string()),
                "generate.prompt_tokens": pa.array([r.prompt_tokens for r in replies], pa.int64()),
                "generate.tokens": pa.array([r.completion_tokens for r in replies], pa.int64()),
                "generate.characters": pa.array([len(text) for text in texts], pa.int64()),
                "generate.trimmed": pa.array(trimmed, pa.int64()),
                "generate.request": pa.array([r.key for r in replies], pa.string()),
                "generate.error": pa.array(errors, pa.string()),
                "generate.detail": pa.array(details, pa.string()),
            }
        )

    def drops(self) -> dict[str, Rule]:
        """Errors first, then what the thresholds say."""
        rules = {kind: Rule("generate.error", "==", kind, evidence="generate.detail") for kind in _ERRORS}
        if self.drop_truncated:
            rules["truncated"] = Rule("generate.finish", "==", "length")
        if self.min_characters:
            rules["short"] = Rule("generate.characters", "<", self.min_characters)
        return rules

    def _messages(self, piece: pa.Table) -> Iterator[tuple[dict[str, str], ...] | str]:
        """A row's messages, or what is wrong with the row."""
        if not {PROMPT, MESSAGES} & set(piece.column_names):
            raise UserError(
                "generate.complete needs the column `prompt` or `messages`, and there is neither",
                where="the step above generate.complete",
                fix="put a prompts step or sources.prompts above it",
            )
        for chat, prompt in zip(_column(piece, MESSAGES), _column(piece, PROMPT), strict=True):
            found: tuple[dict[str, str], ...] | str = "the prompt is empty"
            if chat:
                found = _chat(chat)
            elif prompt and str(prompt).strip():
                found = ({"role": "user", "content": str(prompt)},)
            if self.system and not isinstance(found, str) and found[0]["role"] != "system":
                found = ({"role": "system", "content": self.system}, *found)
            yield found

    def _errors(
        self, piece: pa.Table, replies: Sequence[Reply], texts: Sequence[str]
    ) -> tuple[list[str | None], list[str | None]]:
        """Why replies are of no use, and the evidence; None for those that are."""
        errors: list[str | None] = [reply.error for reply in replies]
        details: list[str | None] = [reply.detail if reply.error else None for reply in replies]
        for at, (reply, text) in enumerate(zip(replies, texts, strict=True)):
            if reply.error is None and not text:
                errors[at] = "length" if reply.finish == "length" else "empty"
                details[at] = f"no text after {reply.completion_tokens} tokens, finish_reason {reply.finish}"
        if any(reply.error == "rejected" and not reply.key for reply in replies):
            for at, found in enumerate(self._messages(piece)):
                if isinstance(found, str):
                    details[at] = found
        return errors, details


def _column(piece: pa.Table, name: str) -> list[Any]:
    return piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows


def _chat(given: Any) -> tuple[dict[str, str], ...] | str:
    """Chat messages from JSON (or as a column of lists), or what is wrong with them."""
    try:
        value = json.loads(given) if isinstance(given, str) else given
    except (TypeError, ValueError, RecursionError) as error:
        return f"messages are not JSON: {error}"
    if not isinstance(value, list) or not value:
        return "messages are not a list with something in it"
    for at, message in enumerate(value):
        ok = isinstance(message, dict) and all(isinstance(message.get(k), str) for k in ("role", "content"))
        if not ok:
            return f"message {at} is not an object with the strings role and content"
    return tuple({"role": m["role"], "content": m["content"]} for m in value)


def _trimmed(text: str) -> str:
    """The text up to the end of its last whole sentence; the whole text where there is none."""
    start = max(0, len(text) - _LOOK_BACK)
    end = max((found.end() for found in _END.finditer(text, start)), default=0)
    return text[:end] if end else text
