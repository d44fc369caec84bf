"""Clusters of ≥ 50,000 real documents: time, memory, and agreement with known labels, beside text-clustering's recipe.

Both have the same vectors (the package wordllama's). See docs/bench.md.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench import corpus, peers
from bench.clustering import sets
from bench.harness import Contender, Facts, Options, Outcome, Role, take_turns
from bench.running import run_measured
from hornbook import __version__

PEERS = ("text-clustering",)
UNIT = "s"
HERE = Path(__file__).resolve().parent / "clustering"
QUICK, QUICK_SECONDS = 2_000, 54.0
LONGEST = 1800.0
COLUMNS = {
    "clusters": "clusters",
    "assigned": "% assigned",
    "ari": "ARI",
    "nmi": "NMI",
    "ari_alone": "ARI alone",
    "nmi_alone": "NMI alone",
    "ari_in": "ARI inside",
    "nmi_in": "NMI inside",
    "cpu": "CPU s",
    "peak_mb": "peak MB",
}


@dataclass(frozen=True)
class Given:
    """A set, ready for both: documents, their vectors (those that are not zero), labels of these."""

    name: str
    documents: Path
    vectors: Path
    some: NDArray[np.bool_]
    labels: NDArray[np.int64]


def run(options: Options) -> Outcome:
    """Ours and the published recipe on each set; `--quick` on 2,000 documents of the first."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    names: tuple[sets.Set, ...] = ("code",) if options.quick else ("code", "texts", "tuned")
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="clusters-") as folder:
        try:
            given = [ready(name, options.cache, Path(folder), QUICK if options.quick else 0) for name in names]
        except corpus.Absent as error:
            raise SystemExit(f"error: {error}") from error
        for one in given:
            kinds = len(np.unique(one.labels))
            options.tell(f"{one.name}: {one.some.size:,} documents, {kinds} labels")
        both = [c for at, one in enumerate(given) for c in contenders(one, options.cache, shown=at > 0)]
        scores = take_turns(both, options.rounds or 1, options.tell, until, long=LONGEST)
        detail: Facts = {one.name: {"documents": one.some.size, "labels": len(np.unique(one.labels))} for one in given}
    detail |= {score.name: {name: score.median(name) for name in ("value", *COLUMNS)} for score in scores}
    return Outcome(scores, UNIT, False, _versions(), COLUMNS, detail)


def ready(name: sets.Set, cache: Path, folder: Path, most: int) -> Given:
    """Write a set and its vectors."""
    from hornbook.kernels.embedders import embedder

    documents, vectors = folder / f"{name}.parquet", folder / f"{name}.npy"
    sets.write(name, cache, documents, most)
    table = pq.read_table(documents, columns=["text", "label"])
    found = embedder("wordllama")(table["text"])
    some = found.any(axis=1)
    np.save(vectors, found[some])
    labels = np.unique(table["label"].to_numpy()[some].astype(str), return_inverse=True)[1]
    return Given(name, documents, vectors, some, labels)


def contenders(given: Given, cache: Path, *, shown: bool) -> list[Contender]:
    """Ours, from the documents' text on, and theirs, from ready vectors."""
    python = peers.python_of("text-clustering", cache)
    missing = None if python else "not installed: python -m bench --install clusters"
    roles: tuple[Role, Role] = ("shown", "shown") if shown else ("ours", "peer")
    scene = peers.environment(cache / "text-clustering")
    theirs = [str(python), str(HERE / "run_published.py"), str(given.vectors)]
    return [
        Contender(f"hornbook {given.name}", roles[0], _ours(given)),
        Contender(f"text-clustering {given.name}", roles[1], _theirs(given, theirs, scene), missing),
    ]


def _ours(given: Given) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        with tempfile.TemporaryDirectory(dir=given.documents.parent) as folder:
            place = Path(folder)
            command = [
                sys.executable,
                "-m",
                "hornbook",
                "step",
                "cluster.group",
                str(given.documents),
                "--workers",
                "2",
            ]
            used, _ = run_measured([*command, "--out", "result"], place, min(left, LONGEST), os.environ)
            parts = sorted((place / "result").glob("part-*.parquet"))
            ids = np.concatenate([pq.read_table(part)["cluster.id"].fill_null(-1).to_numpy() for part in parts])
        return agreement(given.labels, ids[given.some]) | {
            "value": used["wall"],
            "cpu": used["cpu"],
            "peak_mb": used["peak_mb"],
        }

    return act


def _theirs(given: Given, command: list[str], scene: dict[str, str]) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        with tempfile.TemporaryDirectory(dir=given.documents.parent) as folder:
            place = Path(folder)
            used, _ = run_measured([*command, str(place / "labels.npy")], place, min(left, LONGEST), scene)
            ids = np.load(place / "labels.npy")
        return agreement(given.labels, ids) | {"value": used["wall"], "cpu": used["cpu"], "peak_mb": used["peak_mb"]}

    return act


def agreement(labels: NDArray[np.int64], ids: NDArray[np.int64]) -> Facts:
    """ARI and NMI of clusters (-1: none) with labels: over all documents with those of no cluster as one cluster, with
    each of them `alone`, and over those `in` a cluster only."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    inside = ids >= 0
    alone = np.where(inside, ids, ids.max(initial=0) + 1 + np.arange(ids.size))
    facts: Facts = {"clusters": len(np.unique(ids[inside])), "assigned": 100 * float(inside.mean())}
    for end, known, found in (("", labels, ids), ("_alone", labels, alone), ("_in", labels[inside], ids[inside])):
        facts[f"ari{end}"] = float(adjusted_rand_score(known, found))
        facts[f"nmi{end}"] = float(normalized_mutual_info_score(known, found))
    return facts


def _versions() -> dict[str, str]:
    own = {"hornbook": __version__, "python": platform.python_version()}
    own |= {name: version(name) for name in ("umap-learn", "fast-hdbscan", "scikit-learn", "wordllama")}
    return own | {"text-clustering": "recipe on umap-learn 0.5.12"}
