"""What the stages that send a row's prompt have in common: their knobs, and the prompt as messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from hornbook.core.documents import MESSAGES, PROMPT, SAMPLE
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
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
ERRORS = ("refusal", "filter", "parse", "length", "empty", "transport", "rejected")
"""Classes of `generate.error`, each a reason to be dropped for."""

Messages = tuple[dict[str, str], ...]


class Prompted(Ask):
    """Sends a row's `messages` (JSON, a list of {"role", "content"}), else its `prompt` as one user's message."""

    reads: ClassVar[tuple[str, ...] | None] = (PROMPT, MESSAGES, SAMPLE)

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

    def params(self) -> dict[str, Any]:
        """The sampling parameters that are set."""
        given = {name: getattr(self, name) for name in _SAMPLING}
        return {name: value for name, value in given.items() if value is not None}

    def prompts(self, piece: pa.Table) -> Iterator[Messages | str]:
        """Each row's messages, or what is wrong with the row.

        Raises:
            UserError: there is neither a column `prompt` nor `messages`.
        """
        if not {PROMPT, MESSAGES} & set(piece.column_names):
            name = ".".join(type(self).__module__.split(".")[-2:])
            raise UserError(
                f"{name} needs the column `prompt` or `messages`, and there is neither",
                where=f"the step above {name}",
                fix="put a prompts step or sources.prompts above it",
            )
        for chat, prompt in zip(_column(piece, MESSAGES), _column(piece, PROMPT), strict=True):
            found: Messages | str = "the prompt is empty"
            if chat:
                found = _chat(chat)
            elif prompt and str(prompt).strip():
                found = ({"role": "user", "content": str(prompt)},)
            if self.system and not isinstance(found, str) and found[0]["role"] != "system":
                found = ({"role": "system", "content": self.system}, *found)
            yield found

    def samples(self, piece: pa.Table) -> list[int]:
        """Which of several replies to its prompt each row wants; 0 where the rows say nothing of it."""
        if SAMPLE not in piece.column_names or not pa.types.is_integer(piece.schema.field(SAMPLE).type):
            return [0] * piece.num_rows
        return [number or 0 for number in piece.column(SAMPLE).to_pylist()]


def _column(piece: pa.Table, name: str) -> list[Any]:
    return piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows


def _chat(given: Any) -> Messages | str:
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
