"""Documents in clusters, and clusters with names, as steps leave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hornbook.core.stage import Artifact
from hornbook.store.artifacts import Above
from hornbook.store.parts import PartWriter

KNOBS: dict[str, Any] = {"space": "pca", "method": "kmeans", "clusters": 4, "dimensions": 8}
GROUPED = (("cluster.group", KNOBS),)
LABELLED = (*GROUPED, ("cluster.extracts", {}), ("cluster.label", {}))


def step(folder: Path, name: str, tables: list[pa.Table]) -> Artifact:
    """A finished step with one part for each table."""
    parts = []
    for at, table in enumerate(tables):
        with PartWriter(folder / name, f"part-{at:05d}") as out:
            out.write(table)
        parts += out.files
    manifest = {"parts": parts, "kept": sum(table.num_rows for table in tables)}
    return Artifact(name, "cluster.group", "documents", folder / name, manifest)


def above(*artifacts: Artifact) -> Above:
    return Above(artifacts, artifacts)


def documents(labels: list[int | None], texts: list[str] | None = None) -> pa.Table:
    texts = texts or [f"text {at} of {label}" for at, label in enumerate(labels)]
    places = pa.array([None if label is None else float(label) for label in labels], pa.float32())
    return pa.table(
        {
            "id": [f"d{at}" for at in range(len(labels))],
            "text": texts,
            "cluster.id": pa.array(labels, pa.int32()),
            "cluster.x": places,
            "cluster.y": places,
        }
    )


def names(topics: list[str | None], scores: list[int | None]) -> pa.Table:
    return pa.table(
        {
            "id": [f"cluster-{at}" for at in range(len(topics))],
            "text": ["1. …"] * len(topics),
            "cluster.id": pa.array(range(len(topics)), pa.int32()),
            "cluster.size": pa.array([5] * len(topics), pa.int64()),
            "cluster.topic": pa.array(topics, pa.string()),
            "cluster.score": pa.array(scores, pa.int32()),
        }
    )


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()
