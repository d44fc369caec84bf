"""What a step leaves behind: its manifest, its columns, and whether it is done for good."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbook import __version__
from hornbook.core.documents import EVIDENCE, ID, ORIGIN, REASON, TEXT
from hornbook.core.stage import Artifact, Job
from hornbook.engine import tasks
from hornbook.engine.finding import kind_of
from hornbook.engine.keys import StepKeys, output_of
from hornbook.engine.recipe import Step
from hornbook.engine.tasks import Work
from hornbook.store.artifacts import Above
from hornbook.store.files import DRAFT
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.store.parts import schema_of, write_empty

BASE = pa.schema([(ID, pa.string()), (TEXT, pa.string()), (ORIGIN, pa.string())])


def answered(artifact: Artifact) -> bool:
    """Whether a step is done for good: where the teacher could not be reached, it is asked again."""
    return artifact.manifest["kind"] != "ask" or not unreached(artifact.manifest["facts"])


def unreached(facts: Mapping[str, Any]) -> int:
    """Requests that never reached the teacher, as a step's facts tell them."""
    return int(facts.get("errors", {}).get("transport", 0))


def forget(work: Work) -> None:
    """Take a step for not done; its marks last, for what they say is the reason."""
    for folder in (work.folder, work.marks):
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder / tasks.RECORDS, ignore_errors=True)


def sweep(work: Work) -> None:
    """Remove the drafts of a killed try; nobody else writes here now."""
    for folder in (work.folder, work.folder / "dropped", work.marks):
        for draft in folder.glob(f".*{DRAFT}"):
            draft.unlink(missing_ok=True)


def end_marks(work: Work, version: str, keys: StepKeys, results: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    if (work.marks / MANIFEST).exists():
        return
    rows = sum(result["rows_in"] for result in results)
    Manifest(
        stage=work.use,
        kind="marks",
        version=version,
        key=keys.marks,
        output=keys.marks,
        rows_in=rows,
        kept=rows,
        facts=facts,
        hornbook=__version__,
    ).write(work.marks)


def manifest_of(
    work: Work,
    step: Step,
    keys: StepKeys,
    above: Above,
    results: list[dict[str, Any]],
    facts: dict[str, Any],
) -> Manifest:
    stage = step.stage
    kind = kind_of(type(stage))
    reasons: dict[str, int] = {}
    for result in results:
        for reason, many in result["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + many
    rules = list(stage.drops())
    reasons = {r: reasons[r] for r in sorted(reasons, key=lambda r: (rules.index(r) if r in rules else 99, r))}
    parts = [file for result in results for file in result["parts"]]
    through = above.rows() if isinstance(stage, Job) else 0
    return Manifest(
        stage=step.use,
        kind=kind,
        version=stage.version,
        key=keys.step,
        output=output_of(kind, keys.step, work.folder, parts, facts),
        makes=stage.makes,
        knobs=work.knobs,
        inputs=[a.manifest["output"] for a in above.sources],
        rows_in=sum(r["rows_in"] for r in results) or through,
        kept=sum(r["kept"] for r in results) or through,
        dropped=sum(r["dropped"] for r in results),
        reasons=reasons,
        facts=facts,
        parts=parts,
        drops=[file for result in results for file in result["drops"]],
        hornbook=__version__,
    )


def never_empty(manifest: Manifest, folder: Path, above: Above) -> None:
    """A folder always holds a part and a part of drops, if need be without rows, so that readers find columns."""
    if manifest.parts:
        schema = schema_of(folder / manifest.parts[0]["file"])
    elif above.parts():
        schema = schema_of(above.parts()[0])
    else:
        schema = BASE
    if not manifest.parts:
        write_empty(folder, "part-00000", schema)
    if not manifest.drops:
        own = [field for field in schema if field.name not in (REASON, EVIDENCE)]
        gone = pa.schema([*own, pa.field(REASON, pa.string()), pa.field(EVIDENCE, pa.string())])
        write_empty(folder / "dropped", "part-00000", gone)
