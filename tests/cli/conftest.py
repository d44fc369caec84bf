"""One small run for the tests of commands that look at runs: made once, by the real program, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import hornbook

RECIPE = """\
name: small
about: Two branches that meet, a scripted teacher, hostile text.
seed: 5
teacher: {use: scripted, rule: story, concurrency: 4, price: {input: 1.0, output: 4.0}}
steps:
  - use: sources.words
  - use: prompts.story
    count: 40
  - use: generate.complete
    max_tokens: 30
  - {use: sources.files, name: notes, path: notes, from: []}
  - {use: quality.length, name: short, from: [notes, generate], min_words: 3, max_words: 40}
  - {use: dedup.exact}
"""

ESCAPES = "red \x1b[31malert\x1b[0m \x1b]0;title\x07 back\rspace \u202eright to left \u009b2J end of it"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `small.yaml` and its finished run in `runs/`."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "notes").mkdir()
    for number in range(3):
        rows = [{"id": f"note-{number}-{n}", "text": f"note {n % 4} of file {number} says so"} for n in range(6)]
        rows += [{"id": f"tiny-{number}", "text": "tiny"}, {"id": f"long-{number}", "text": "word " * 50}]
        rows += [{"id": "escape", "text": ESCAPES}] if number == 1 else []
        lines = [json.dumps(row) for row in rows] + ["{broken"]
        (folder / "notes" / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    done = hornbook("run", "small.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder
