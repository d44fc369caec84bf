"""Looking into runs: their state, a few rows of a step, spread over it; only those row groups are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from hornbook.core.documents import REASON
from hornbook.core.errors import UserError, nearest
from hornbook.core.stage import Artifact
from hornbook.engine.workspace import Workspace


def newest(workspace: Workspace) -> str:
    """The name of the run that was touched last.

    Raises:
        UserError: there is none.
    """
    names = workspace.runs()
    if not names:
        raise UserError("no runs yet", where=str(workspace.root), fix="`hornbook run stories` makes one")
    return names[0]


def status_of(workspace: Workspace, name: str, state: dict[str, Any]) -> str:
    """done, failed, stopped, running, or killed: it says running and nobody holds its lock."""
    status = str(state.get("status", "unknown"))
    lock = workspace.run(name) / ".lock"
    if status != "running" or not lock.exists():
        return status
    try:
        with FileLock(lock, timeout=0):
            return "killed"
    except (Timeout, OSError):
        return status


def step_of(steps: Sequence[Artifact], name: str) -> Artifact:
    """A step by its name, its number from 1, or its stage.

    Raises:
        UserError: no such step is done; names the nearest.
    """
    for at, step in enumerate(steps, 1):
        if name in (step.step, str(at)):
            return step
    named = [step for step in steps if step.stage == name]
    if named:
        return named[-1]
    names = [step.step for step in steps]
    like = nearest(name, names)
    hint = f"did you mean `{like}`? " if like else ""
    raise UserError(f"no finished step `{name}`", fix=f"{hint}steps: {', '.join(names) or 'none is done'}")


def sample(artifact: Artifact, count: int) -> list[dict[str, Any]]:
    """Documents of a step, evenly spread over it, in order.

    Args:
        artifact: a step that makes documents.
        count: how many at most.
    """
    total = sum(int(part["rows"]) for part in artifact.manifest["parts"])
    count = min(count, total)
    wanted = [(2 * at + 1) * total // (2 * count) for at in range(count)]
    found: list[dict[str, Any]] = []
    start = 0
    for part in artifact.manifest["parts"]:
        end = start + int(part["rows"])
        mine = [row - start for row in wanted if start <= row < end]
        if mine:
            found += rows_at(artifact.folder / part["file"], mine)
        start = end
    return found


def sample_dropped(artifact: Artifact, count: int) -> list[dict[str, Any]]:
    """The first documents dropped for each reason, at most `count` a reason, reasons as the manifest has them."""
    left = dict.fromkeys(artifact.manifest["reasons"], count)
    found: dict[str, list[dict[str, Any]]] = {reason: [] for reason in left}
    for part in artifact.manifest["drops"]:
        path = artifact.folder / "dropped" / part["file"]
        at: list[int] = []
        row = 0
        for column in _columns(path, REASON):
            for reason, many in list(left.items()):
                if many > 0:
                    hits = pc.indices_nonzero(pc.equal(column, reason)).to_pylist()[:many]
                    left[reason] -= len(hits)
                    at += [row + hit for hit in hits]
            row += len(column)
        for gone in rows_at(path, sorted(at)):
            found[gone[REASON]].append(gone)
        if not any(many > 0 for many in left.values()):
            break
    return [row for rows in found.values() for row in rows]


def rows_at(path: Path, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a part by number, in order; other row groups are not read."""
    found: list[dict[str, Any]] = []
    with pq.ParquetFile(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            mine = [row - start for row in rows if start <= row < start + size]
            if mine:
                found += file.read_row_group(group).take(pa.array(mine)).to_pylist()
            start += size
    return found


def _columns(path: Path, name: str) -> Iterator[pa.ChunkedArray]:
    """One column of a part, a row group at a time."""
    with pq.ParquetFile(path) as file:
        if name not in file.schema_arrow.names:
            return
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=[name]).column(name)
