"""The task that all contenders get: files, a label that their path tells, and a share of them to learn from.

Of code the label is whether it is a test, of prose whether it is a list of changes.

Run as a file beside theirs, in environments that have pyarrow and numpy alone, so nothing else is imported.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

IS_TEST = re.compile(r"(^|/)(tests?|testing)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")
IS_NEWS = re.compile(r"(^|[/_.-])(change|history|news|release|whatsnew)", re.IGNORECASE)


def label(path: str) -> bool:
    """What the models are to learn of a file."""
    return bool((IS_TEST if path.endswith(".py") else IS_NEWS).search(path.partition("/")[2]))


@dataclass
class Task:
    """Files, and how many documents to learn from and to score.

    Args:
        files: Parquet with id, text and path.
        learn: documents to fit on.
        most: documents to score at most; 0 for all.
    """

    files: list[str]
    learn: int
    most: int

    def labelled(self) -> tuple[list[str], np.ndarray]:
        """Texts to learn from and their labels (0 or 1): those whose hash of the id is least."""
        drawn = []
        for table in self.tables():
            ids, paths, text = (table.column(name) for name in ("id", "path", "text"))
            keys = [zlib.crc32(key.encode()) for key in ids.to_pylist()]
            for at in np.argsort(keys)[: self.learn].tolist():
                drawn.append((keys[at], str(text[at]), label(str(paths[at]))))
        drawn = sorted(drawn, key=lambda row: row[0])[: self.learn]
        self.edge = drawn[-1][0]
        return [text for _, text, _ in drawn], np.array([good for *_, good in drawn], float)

    def tables(self) -> Iterator[pa.Table]:
        """All documents, a row group at a time."""
        for name in self.files:
            with pq.ParquetFile(name) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group)

    def run(self, fit: Callable[[list[str], np.ndarray], Callable[[pa.ChunkedArray], np.ndarray]]) -> None:
        """Fit, score, and print what it took as one JSON object.

        Args:
            fit: (texts, labels) → what scores a column of texts.
        """
        texts, labels = self.labelled()
        began = time.perf_counter()
        score = fit(texts, labels)
        fitted = time.perf_counter() - began
        score(pa.chunked_array([["def warm(): pass"]]))
        scores: list[np.ndarray] = []
        truth: list[bool] = []
        many, size, cpu, wall = 0, 0, -_cpu(), -time.perf_counter()
        for table in self.tables():
            if self.most and many >= self.most:
                break
            some = table.slice(0, self.most - many) if self.most else table
            found = score(some.column("text"))
            new = np.array([zlib.crc32(key.encode()) > self.edge for key in some.column("id").to_pylist()])
            scores.append(found[new])
            truth += [label(p) for p, n in zip(some.column("path").to_pylist(), new, strict=True) if n]
            many += some.num_rows
            size += some.column("text").nbytes
        cpu, wall = cpu + _cpu(), wall + time.perf_counter()
        facts = {"value": many / wall, "documents": many, "cpu_ms": 1000 * cpu / many, "mb_per_cpu_s": size / 1e6 / cpu}
        area = auroc(np.concatenate(scores), np.array(truth))
        facts |= {"fit_s": fitted, "auroc": area, "auroc_error": auroc_error(area, np.array(truth))}
        print(json.dumps(facts))


def auroc(scores: np.ndarray, good: np.ndarray) -> float:
    """The chance that a good one has the higher score, ties half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    p, n = int(good.sum()), int((~good).sum())
    return float((ranks[good].sum() - p * (p + 1) / 2) / (p * n))


def auroc_error(area: float, good: np.ndarray) -> float:
    """Its standard error (Hanley and McNeil 1982)."""
    p, n = int(good.sum()), int((~good).sum())
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (p - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
    return float(np.sqrt(variance / (p * n)))


def task_of() -> Task:
    """From the command line: LEARN MOST FILE…"""
    return Task(sys.argv[3:], int(sys.argv[1]), int(sys.argv[2]))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
