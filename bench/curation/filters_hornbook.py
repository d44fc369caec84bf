"""The filter sets of Gopher, C4 and FineWeb by hornbook: Parquet in, what is kept and dropped out.

`python filters_hornbook.py OUT WORKERS COMPAT FILE…`, COMPAT being none or datatrove. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hornbook.engine.executors import Pool
from hornbook.engine.recipe import check_data
from hornbook.engine.run import Runner
from hornbook.engine.workspace import Workspace


def main(out: Path, workers: int, compat: str, files: list[str]) -> None:
    """One recipe of four steps; C4 cuts the text, as datatrove's does, so that FineWeb's filter sees what is left."""
    steps = [
        {"use": "sources.files", "name": "documents", "path": files},
        {"use": "quality.gopher", "name": "gopher", "compat": compat},
        {"use": "quality.c4", "name": "c4", "compat": compat, "text": "cut"},
        {"use": "quality.fineweb", "name": "fineweb", "compat": compat},
    ]
    recipe = check_data({"name": "filters", "seed": 0, "teacher": {"use": "scripted"}, "steps": steps}, "filters.yaml")
    with Pool(workers) as pool:
        done = Runner(Workspace(out / "runs"), pool, out / "cache", lambda event: None).run(recipe)
    rows, kept = done[0].manifest["kept"], done[-1].manifest["kept"]
    reasons = {step.step: step.manifest["dropped"] for step in done[1:]}
    print(json.dumps({"rows": rows, "removed": rows - kept, "by_step": reasons}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
