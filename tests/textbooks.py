"""What the tests of the textbook recipes share: a scripted teacher, settings, and laws that hold for each of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hornbook.store.journal import Journal
from tests.commands import hornbook, last_json, write_jsonl

ONE = ("--workers", "1")
"""Starting more of them takes longer than these few documents do."""
WORDS = """
river mountain teacher garden engine letter village winter island question window market copper feather ladder bottle
candle harbour meadow orchard pebble saddle timber valley wagon anchor basket carpet desert forest glacier hammer jungle
kettle lantern mirror needle oyster pillow rocket
""".split()  # noqa: SIM905


def prose(seed: int, sentences: int = 9) -> str:
    """A text of its own that no filter for repetition minds."""
    draw = random.Random(seed)
    return " ".join(" ".join(draw.sample(WORDS, 9)).capitalize() + "." for _ in range(sentences))


def teacher(folder: Path, lines: list[dict[str, str]]) -> dict[str, Any]:
    path = write_jsonl(folder / "replies.jsonl", lines)
    return {"teacher.use": "scripted", "teacher.rule": "story", "teacher.replies": str(path)}


def sets(values: dict[str, Any]) -> list[str]:
    return [
        word
        for name, value in values.items()
        for word in ("--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}")
    ]


def rows_of(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [row for part in sorted(folder.glob(pattern)) for row in pq.ParquetFile(part).read().to_pylist()]


def journal_of(folder: Path) -> dict[str, int]:
    journal = Journal(folder / "runs" / "journal")
    try:
        return journal.counts()
    finally:
        journal.close()


def again_is_cached(name: str, folder: Path, values: dict[str, Any], found: Any) -> None:
    """The same command does nothing and asks nobody."""
    before = journal_of(folder)
    again = last_json(hornbook("run", name, *ONE, *sets(values), "--json", cwd=folder))
    assert [step["key"] for step in again["steps"]] == [step["key"] for step in found["steps"]]
    state = json.loads((folder / "runs" / name / "run.json").read_text(encoding="utf-8"))
    assert all(step["cached"] for step in state["steps"])
    assert journal_of(folder) == before


def check_prompts(folder: Path, name: str) -> list[dict[str, Any]]:
    """All prompts that were asked: complete, and each with an id of its own."""
    asked = rows_of(folder / "runs" / name, "*-generate-*/**/part-*.parquet")
    for row in asked:
        for column in (
            "prompt",
            *(f"prompts.{what}" for what in ("template", "format", "audience", "language", "split")),
        ):
            assert row[column], f"{row['id']} has no {column}"
    assert len({row["id"] for row in asked}) == len(asked)
    return asked
