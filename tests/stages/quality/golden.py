"""What datatrove 0.10.1 decides, written by `datatrove/decide.py` in an environment that has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.stage import Each
from tests.stages.driving import documents, outcome

HERE = Path(__file__).resolve().parent / "datatrove"
SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "corpora"


def made() -> list[dict[str, Any]]:
    """Made texts with datatrove's decisions."""
    return [json.loads(line) for line in (HERE / "made.jsonl").open(encoding="utf-8")]


def differences_on_made(stage: Each, name: str) -> list[tuple[str, str, str | None]]:
    """(text, datatrove's reason, ours) wherever the two do not both keep or both drop."""
    rows = [row for row in made() if not row[name].startswith("error")]
    assert len(rows) > 50
    assert {bool(row[name]) for row in rows} == {True, False}
    _, gone = outcome(stage, documents([row["text"] for row in rows]))
    ours = [gone.get(f"d{at}", (None,))[0] for at in range(len(rows))]
    return [(r["text"][:200], r[name], why) for r, why in zip(rows, ours, strict=True) if bool(r[name]) != bool(why)]


def differences_on_real(stage: Each, name: str) -> tuple[int, int, int]:
    """(documents, dropped by datatrove, decided otherwise) over all public corpora; skips where they are absent."""
    if not SHARED.exists():
        pytest.skip("../shared/data/corpora is not here; the made texts are compared above")
    real = json.loads((HERE / "real.json").read_text(encoding="utf-8"))
    total = dropped = other = 0
    for file, letters in real["files"].items():
        texts = [json.loads(line)["text"] for line in (SHARED / file).open(encoding="utf-8")]
        _, gone = outcome(stage, documents(texts))
        for at, letter in enumerate(letters[name]):
            if real["reasons"][name][ord(letter) - ord("a")].startswith("error"):
                continue
            total += 1
            dropped += letter != "a"
            other += (letter != "a") != (f"d{at}" in gone)
    return total, dropped, other
