"""Asking again what came to nothing: which requests, and which finished steps then have to be redone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hornbook.core.asking import Raw
from hornbook.engine.workspace import Workspace
from hornbook.store.journal.tending import redrive, settle_verdicts
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.teachers.reading import read_reply

REQUEST = ".request"
"""Columns that hold the key of a request in the journal."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is to be asked again.

    Args:
        kind: the class.
        keys: of the requests.
        stale: folders of finished steps and marks that were made with their replies.
        names: of those: RUN/NUMBER-STEP, '' where no run has it now.
        busy: journal files that were left alone, for a run writes to them.
    """

    kind: str
    keys: list[str]
    stale: list[Path]
    names: list[str]
    busy: list[str]


def ask_again(workspace: Workspace, kind: str, run: str | None = None, *, act: bool = False) -> Again:
    """Take requests of one class out of the journal, and the steps made with them away.

    A step's folder is made again from the journal by the next run, which asks only what was taken out.

    Args:
        workspace: where the journal and the steps are.
        kind: class: parse, empty, refusal, transport …
        run: look only at what this run asked; None for the whole journal.
        act: False to only say what would be done.

    Raises:
        UserError: no such run.
    """
    settle_verdicts(workspace.journal, _verdict)
    among = None
    if run is not None:
        folders = [artifact.folder for artifact in workspace.steps(run)]
        among = {key for folder in folders for key in _keys_in(folder)}
    first = redrive(workspace.journal, kind, among, act=False)
    stale = _stale(workspace, kind, first.keys, among)
    names = _names(workspace, stale)
    if act and first.keys:
        for folder in stale:
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder)
        redrive(workspace.journal, kind, among)
    return Again(kind, first.keys, stale, names, first.busy)


def _verdict(key: str, raw: Raw) -> tuple[str, str] | None:
    reply = read_reply(key, raw)
    return None if reply.error is None else (reply.error, reply.detail)


def _stale(workspace: Workspace, kind: str, keys: Sequence[str], among: set[str] | None) -> list[Path]:
    """Steps that ask, and marks, that hold one of the keys, or count failures of the class where they name no keys."""
    if not keys:
        return []
    wanted = pa.array(list(keys), pa.string())
    found, others = [], []
    for path in sorted(workspace.root.glob(f"artifacts/*/{MANIFEST}")):
        folder = path.parent
        manifest = Manifest.read(folder)
        if manifest is None or manifest.kind not in ("ask", "marks"):
            continue
        if _holds(folder, wanted):
            found.append(folder)
        elif manifest.kind == "ask" and among is None and manifest.facts.get("errors", {}).get(kind):
            others.append(folder)
    for folder in others:  # asked in rounds: the column names the last request of a row, not the one that failed
        own = pa.array(list(_keys_in(folder)), pa.string())
        marks = [p.parent for p in workspace.root.glob(f"artifacts/*/{MANIFEST}") if p.parent != folder]
        found += [folder, *(m for m in marks if m not in found and _is_marks(m) and len(own) and _holds(m, own))]
    return list(dict.fromkeys(found))


def _names(workspace: Workspace, folders: Sequence[Path]) -> list[str]:
    """What runs call those folders; marks belong to a step of the name that stands beside them."""
    links = {link.resolve(): f"{link.parent.name}/{link.name}" for link in sorted(workspace.root.glob("*/[0-9]*-*"))}
    return [links.get(folder.resolve(), "") for folder in folders]


def _is_marks(folder: Path) -> bool:
    manifest = Manifest.read(folder)
    return manifest is not None and manifest.kind == "marks"


def _holds(folder: Path, keys: pa.Array) -> bool:
    return any(pc.any(pc.is_in(column, value_set=keys)).as_py() for column in _columns(folder))


def _keys_in(folder: Path) -> Iterator[str]:
    """All request keys that a folder's documents and drops name."""
    for column in _columns(folder):
        yield from (key for key in column.to_pylist() if key)


def _columns(folder: Path) -> Iterator[pa.ChunkedArray]:
    """Columns of request keys, a row group at a time."""
    files: Iterable[Path] = (*sorted(folder.glob("*.parquet")), *sorted(folder.glob("dropped/*.parquet")))
    for path in files:
        with pq.ParquetFile(path) as file:
            names = [n for n in file.schema_arrow.names if n.endswith(REQUEST)]
            for group in range(file.num_row_groups if names else 0):
                table = file.read_row_group(group, columns=names)
                yield from (table.column(name).cast(pa.string()) for name in table.column_names)
