"""Benchmark items: what of each file's rows counts as the text that must not be trained on."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hornbook.core.errors import UserError

_LABEL = re.compile(r"^\s*(?:question|context|passage)\s*:\s*", re.IGNORECASE)
_INNER = re.compile(r"\n\s*question\s*:\s*", re.IGNORECASE)
_CHOICES = re.compile(r"\n\s*choices\s*:\s*\n", re.IGNORECASE)
_ANSWER = re.compile(r"\n\s*answer\s*:\s*$", re.IGNORECASE)
_LETTER = re.compile(r"^\s*[A-Z][.)]\s*")
_ALONE = ("text", "prompt", "question", "context", "input", "instruction")


@dataclass(frozen=True, slots=True)
class Item:
    """One benchmark item.

    Args:
        benchmark: the file's name without its ending.
        key: `benchmark:` and the item's id, or its line number from 1 where it has none.
        parts: texts each of which alone gives the item away.
        choices: answers offered; a part too short to tell is looked for with each of them behind it.
    """

    benchmark: str
    key: str
    parts: tuple[str, ...]
    choices: tuple[str, ...] = ()


def files(against: Sequence[str]) -> list[Path]:
    """The files that paths and globs name, in order.

    Raises:
        UserError: a path or glob names no file.
    """
    found = []
    for path in against:
        here = [Path(path)] if Path(path).is_file() else [Path(name) for name in sorted(glob.glob(path, recursive=True))]
        here = [each for each in here if each.is_file()]
        if not here:
            raise UserError(f"decontaminate: no file {path}", fix="against: paths of JSONL files, or globs")
        found += here
    return found


def items(path: Path) -> Iterator[Item]:
    """The items of one JSONL file.

    Raises:
        UserError: a line is not a JSON object, or has no field that is known to hold a text.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = _row(line, f"{path}:{number}")
                key = next((row[name] for name in ("task_id", "id", "ind") if row.get(name) is not None), number)
                parts, choices = _parts(row, f"{path}:{number}")
                yield Item(path.stem, f"{path.stem}:{key}", parts, choices)


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UserError(f"decontaminate: not JSON: {error}", where=where, fix="one JSON object a line") from error
    if not isinstance(row, dict):
        raise UserError("decontaminate: not a JSON object", where=where, fix="one JSON object a line")
    return row


def _parts(row: dict[str, Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a row, by the fields it has: (parts, choices)."""
    have = {name for name, value in row.items() if isinstance(value, str) and value.strip()}
    if "query" in have:
        return _query(row["query"], row.get("choices"))
    if isinstance(row.get("context_options"), list):
        return tuple(f"{option} {row.get('continuation', '')}" for option in row["context_options"]), ()
    if {"context", "continuation"} <= have:
        return (f"{row['context']} {row['continuation']}",), ()
    if {"context", "chain_of_thought"} <= have:
        return (row["context"], row["chain_of_thought"]), ()
    if {"prompt", "canonical_solution"} <= have:
        return (row["prompt"], row["canonical_solution"]), ()
    if {"text", "code"} <= have:
        return (row["text"], row["code"]), ()
    alone = next((name for name in _ALONE if name in have), None)
    if alone is None:
        fields = ", ".join(sorted(row)) or "none"
        raise UserError(f"decontaminate: no text in the item; its fields: {fields}", where=where, fix="a field `text`")
    choices = row.get("choices")
    return (row[alone],), tuple(map(str, choices)) if isinstance(choices, list) else ()


def _query(query: str, offered: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A multiple choice query without its labels, and with the one inside; a question about a passage counts
    alone as well."""
    body, *listed = _CHOICES.split(_ANSWER.sub("", query), maxsplit=1)
    if listed:
        offered = [_LETTER.sub("", line) for line in listed[0].splitlines()]
    choices = tuple(str(choice) for choice in offered) if isinstance(offered, list) else ()
    bare = _LABEL.sub("", body)
    context, *question = _INNER.split(bare, maxsplit=1)
    if not question:
        return (bare,), choices
    whole = f"{context} {question[0]}"
    return (whole, question[0] if body.lstrip().lower().startswith("passage") else bare), choices
