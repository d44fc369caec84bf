"""`python -m bench NAME [--quick]`: ours against named peers, in turns, on the same input."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from bench import corpus, peers
from bench.harness import Options, line_of, record, table_of

NAMES = {
    "asking_overhead": "requests/s and processor time of the client itself, against a server that takes no time",
    "asking_scale": "memory and resume time against the number of prompts",
    "minhash": "near-duplicates in a corpus",
    "chinese": "near-copies planted into Chinese text",
    "decontaminate": "finding benchmark items in a corpus",
    "trees": "comparing code as trees with the exams' solutions",
    "filters": "quality filters over a corpus",
    "classifier": "marking a corpus with a classifier",
    "clusters": "clusters of a corpus, and how they agree with known labels",
    "tokenize": "training and using a tokenizer",
    "retrieval": "finding the passage that a question was asked about",
    "grounding": "telling what a passage says from what was made up",
    "selfcheck": "telling what was made up by what a teacher says again, on recorded samples",
    "feedback": "openings that replies share, with the diversity feedback on and off",
    "memory": "peak memory of every job of curation, on a small corpus and a large one",
    "prompts": "building prompts from a million seeds and linting them",
    "sandbox": "running many small programs behind walls",
    "kcenter": "choosing a diverse part",
    "choice": "choosing by several marks",
    "train_cpu": "training a student without a GPU",
    "train_gpu": "training a student on a GPU",
    "ray_overhead": "what spreading by Ray costs",
    "viewer": "opening and searching a large data set",
}
HERE = Path(__file__).resolve().parent


def built(name: str) -> bool:
    """Whether the benchmark is there."""
    return (HERE / f"{name}.py").exists()


def load(name: str) -> ModuleType:
    """The benchmark's module.

    Raises:
        SystemExit: (code 2) there is none of that name, with what there is.
    """
    have = ", ".join(known for known in NAMES if built(known))
    if name not in NAMES:
        raise SystemExit(_say(f"error: no benchmark {name!r}\n  fix  one of {have}"))
    if not built(name):
        raise SystemExit(_say(f"error: {name} ({NAMES[name]}) is not built yet\n  fix  one of {have}"))
    return importlib.import_module(f"bench.{name}")


def main(args: Sequence[str] | None = None) -> int:
    """Run one benchmark, list them, or install its peers."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", help="which benchmark")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--corpus", action="store_true", help="make the corpora (or --quick, --full ones)")
    parser.add_argument("--install", action="store_true", help="make the environments of its peers")
    parser.add_argument("--quick", action="store_true", help="end within 60 s, once peers are installed")
    parser.add_argument("--full", action="store_true", help="as large as it goes")
    parser.add_argument("--record", action="store_true", help="append the JSON line to bench/results/NAME.jsonl")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each")
    parser.add_argument("--cache", type=Path, default=None, help="where the peers' environments and the corpora are")
    given = parser.parse_args(args)
    if given.list:
        for name, about in NAMES.items():
            print(f"{name:<16} {about}{'' if built(name) else '  (not built yet)'}")
        return 0
    if given.corpus:
        size = corpus.size_of(given.quick, given.full)
        corpus.make(given.cache or peers.default_cache(), size, tell)
        return 0
    if not given.name:
        parser.print_usage(sys.stderr)
        return 2
    try:
        module = load(given.name)
    except SystemExit as error:
        return int(error.code or 0)
    cache = given.cache or peers.default_cache()
    if given.install:
        for peer in module.PEERS:
            peers.install(peer, cache, tell)
        return 0
    outcome = module.run(Options(given.quick, given.full, cache, given.rounds, tell))
    line = line_of(given.name, outcome)
    tell(table_of(outcome))
    if given.record:
        tell(f"recorded in {record(line)}")
    print(json.dumps(line), flush=True)
    return 0


def tell(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def _say(text: str) -> int:
    tell(text)
    return 2


if __name__ == "__main__":
    sys.exit(main())
