"""What a person asked first, in the rows of instruction sets of all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

Shape = Literal["conversations", "messages", "turns", "alpaca", "question", "task", "prompt"]

_CHATS = {"conversations": "conversations", "conversation": "conversations", "items": "conversations"}
_USERS = {"user", "human", "prompter", "用户"}
COLUMNS = (
    *_CHATS, "messages", "data", "instruction", "input", "prompt", "question", "task", "definition", "inputs", "text",
    "query",
)  # fmt: skip
"""Columns that may hold what was asked."""


def first_turn(row: Mapping[str, Any], shape: Shape | None = None) -> tuple[str, Shape | None]:
    """(what was asked first, the row's shape), ('', None) where nothing is found.

    Args:
        row: ShareGPT and OpenHermes `conversations` (from, value), OpenAI's `messages` (role, content), UltraChat's
            `data` (turns in order), Alpaca's `instruction` and `input`, `question`, `prompt`, or `task` with `input`
            and perhaps `definition` (Natural Instructions). Lists may be JSON.
        shape: the only one that is looked for; None for all, in this order.
    """
    for name, kind in (*_CHATS.items(), ("messages", "messages"), ("data", "turns")):
        if shape in (None, kind) and row.get(name):
            said = _of_chat(row[name], kind)
            if said:
                return said, kind  # type: ignore[return-value]
    if shape in (None, "alpaca") and (said := _text(row.get("instruction"))):
        more = _text(row.get("input"))
        return f"{said}\n\n{more}" if more else said, "alpaca"
    if shape in (None, "task") and (said := _text(row.get("input")) or _text(row.get("inputs"))):
        told = row.get("definition")
        before = _text(told[0] if isinstance(told, list) and told else told)
        return f"{before}\n\n{said}" if before else said, "task"
    for name, kind in (("prompt", "prompt"), ("question", "question"), ("query", "question"), ("text", "prompt")):
        if shape in (None, kind) and (said := _text(row.get(name))):
            return said, kind  # type: ignore[return-value]
    return "", None


def _of_chat(given: Any, kind: str) -> str:
    """The first user's turn of a chat; where no turn says who speaks, the first."""
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError:
            return ""
    if not isinstance(given, list):
        return ""
    for turn in given:
        if kind == "turns" and isinstance(turn, str):
            return turn.strip()
        if not isinstance(turn, dict):
            continue
        who = turn.get("from") or turn.get("role")
        if isinstance(who, str) and who.casefold() in _USERS:
            said = turn.get("value") if turn.get("value") is not None else turn.get("content")
            return _text(said)
    return ""


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
