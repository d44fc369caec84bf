"""Benchmark items: what of each file's rows counts as the text that must not be trained on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.store.reading import File, read_file

_LABEL = re.compile(r"^\s*(?:question|context|passage)\s*:\s*", re.IGNORECASE)
_INNER = re.compile(r"\n[^\S\n]*question\s*:\s*", re.IGNORECASE)
_CHOICES = re.compile(r"\n[^\S\n]*choices\s*:\s*\n", re.IGNORECASE)
_ANSWER = re.compile(r"\n[^\S\n]*answer\s*:\s*$", re.IGNORECASE)
_LETTER = re.compile(r"^\s*[A-Z][.)]\s*")
_TEXTS = ("text", "query", "prompt", "question", "context", "continuation", "input", "instruction")


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


def items(file: File) -> Iterator[Item]:
    """The items of one file of rows (JSON Lines, Parquet, CSV; packed or not).

    Raises:
        UserError: a row cannot be read, or has no field that is known to hold a text.
    """
    benchmark = file.name.split("/")[-1].split(".")[0]
    for found in read_file(file, need=_TEXTS):
        if isinstance(found, Dropped):
            [fault] = found.table.slice(0, 1).to_pylist()
            raise UserError(
                f"decontaminate: not an item: {fault['reason']}",
                where=fault["evidence"],
                fix="one JSON object a line, with a string in one of " + ", ".join(_TEXTS),
            )
        for row in found.to_pylist():
            given = row.get("task_id")
            key = row["id"].removeprefix(f"{file.name}:") if given is None else given
            yield Item(benchmark, f"{benchmark}:{key}", *_parts(row))


def _parts(row: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a row that has one of `_TEXTS`, by the fields it has: (parts, choices)."""
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
    choices = row.get("choices")
    alone = next(row[name] for name in _TEXTS if name in have)
    return (alone,), tuple(map(str, choices)) if isinstance(choices, list) else ()


def _query(query: str, offered: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A multiple choice query without its labels, and with those inside it, for it may be copied with them;
    a question about a passage counts alone as well."""
    body, *listed = _CHOICES.split(_ANSWER.sub("", query), maxsplit=1)
    if listed:
        offered = [_LETTER.sub("", line) for line in listed[0].splitlines()]
    choices = tuple(str(choice) for choice in offered) if isinstance(offered, list) else ()
    bare = _LABEL.sub("", body)
    context, *question = _INNER.split(bare, maxsplit=1)
    copied = (query,) if listed else ()
    if not question:
        return (bare, *copied), choices
    whole = f"{context} {question[0]}"
    return (whole, question[0] if body.lstrip().lower().startswith("passage") else bare, *copied), choices
