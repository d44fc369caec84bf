"""A small recipe with branches that join: seeds, prompts and a split each, one teacher, one exam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hornbook.engine.recipe import Recipe, check_data


def recipe(folder: Path, topics: dict[str, list[str]], item: str) -> Recipe:
    """Prompts about each topic of each split, said back by a scripted teacher, held against an exam of one item."""
    (folder / "exam.jsonl").write_text(json.dumps({"id": 1, "text": item}) + "\n", encoding="utf-8")
    steps: list[dict[str, Any]] = []
    for split, wanted in topics.items():
        path = folder / f"{split}.jsonl"
        rows = [{"id": f"{split}-{n}", "text": topic, "topic": topic} for n, topic in enumerate(wanted)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        steps += [
            {"use": "sources.files", "name": f"seeds-{split}", "path": str(path)},
            {"use": "prompts.textbook", "name": split, "split": split},
        ]
    steps += [
        {"use": "generate.complete", "from": list(topics)},
        {"use": "decontaminate.ngrams", "against": [str(folder / "exam.jsonl")]},
        {"use": "report.page"},
    ]
    return check_data({"name": "branches", "teacher": {"use": "scripted"}, "steps": steps}, "branches.yaml")
