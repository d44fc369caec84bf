"""What a stage's own test file gives to the contract test: one example, and the digest of its output.

`python -m tests.contract STAGE …` prints the digest that belongs into `golden`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbook.core.stage import Artifact
from hornbook.engine.events import Event
from hornbook.engine.executors import Executor, Inline
from hornbook.engine.recipe import Recipe, check_data
from hornbook.engine.run import Runner
from hornbook.engine.workspace import Workspace
from hornbook.store.parts import pieces
from tests.corpus import rows as corpus_rows


@dataclass(frozen=True)
class Example:
    """How to run a stage in the contract test.

    Args:
        knobs: the stage's knobs. A value `"{tmp}/x"` names a file of `files`.
        rows: the documents above it; empty: the common corpus of `tests/corpus.py`. A source ignores them
            unless it needs documents.
        above: steps between the documents and the stage, as (stage, knobs).
        teacher: for a stage that asks: the teacher, as in a recipe.
        files: name → content of files that the knobs name.
        golden: stage version → digest of the output (`digest_of`); a change of output without a change of
            version turns the contract test red. Jobs have goldens of their own in their tests.
    """

    knobs: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    above: tuple[tuple[str, dict[str, Any]], ...] = ()
    teacher: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    golden: dict[str, str] = field(default_factory=dict)


def example_of(stage: str) -> Example:
    """The example in a stage's own test file."""
    folder, _, name = stage.rpartition(".")
    module = importlib.import_module(f"tests.stages.{folder}.test_{name}")
    found: Example = module.EXAMPLE
    return found


def recipe_of(stage: str, example: Example, folder: Path, *, files: int = 1) -> Recipe:
    """A recipe that reads the example's rows from `files` files and ends in the stage."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = example.rows or corpus_rows()
    each = -(-len(rows) // files)
    paths = []
    for number in range(files):
        path = folder / f"input-{number}.jsonl"
        some = rows[number * each : (number + 1) * each]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some), encoding="utf-8")
        paths.append(str(path))
    for name, content in example.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    steps: list[dict[str, Any]] = [{"use": "sources.files", "name": "input", "path": paths}]
    steps += [
        {"use": use, "name": f"above-{at}"} | _named(knobs, folder) for at, (use, knobs) in enumerate(example.above)
    ]
    steps.append({"use": stage, "name": "stage"} | _named(example.knobs, folder))
    data = {"name": "contract", "seed": 17, "teacher": example.teacher or {"use": "scripted"}, "steps": steps}
    return check_data(data, "contract.yaml")


def _named(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{tmp}", str(folder))
    if isinstance(value, dict):
        return {key: _named(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, folder) for inner in value]
    return value


def run(
    recipe: Recipe,
    folder: Path,
    executor: Executor | None = None,
    listen: Callable[[Event], None] | None = None,
) -> list[Artifact]:
    """Run a recipe in a workspace of its own."""
    runner = Runner(Workspace(folder / "runs"), executor or Inline(), folder / "cache", listen or (lambda event: None))
    return runner.run(recipe)


def table_of(artifact: Artifact, which: str = "parts") -> pa.Table | None:
    """All rows that a step kept (`parts`) or dropped (`drops`)."""
    base = artifact.folder if which == "parts" else artifact.folder / "dropped"
    found = [piece for part in artifact.manifest[which] for piece in pieces(base / part["file"])]
    return pa.concat_tables(found, promote_options="permissive") if found else None


def digest_of(artifact: Artifact) -> str:
    """A digest of what a step kept and dropped: values and column names, not the bytes of a Parquet version."""
    hashed = hashlib.blake2b(digest_size=16)
    for which in ("parts", "drops"):
        table = table_of(artifact, which)
        for row in [] if table is None else table.to_pylist():
            hashed.update(json.dumps(row, sort_keys=True, default=str, ensure_ascii=True).encode())
        hashed.update(which.encode())
    return hashed.hexdigest()


def main() -> None:
    """Print the golden digest of each stage named."""
    from hornbook.engine.finding import find_stage

    for stage in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            artifact = run(recipe_of(stage, example_of(stage), Path("contract")), Path(folder))[-1]
            print(stage, json.dumps({find_stage(stage).version: digest_of(artifact)}))


if __name__ == "__main__":
    main()
