"""One stage alone, on files or on folders of earlier steps: the same engine, a recipe of two steps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact, Ask, Source, Stage
from hornbook.engine.budget import Governor
from hornbook.engine.events import Listener, StepEvent
from hornbook.engine.execute import Setting
from hornbook.engine.executors import Executor
from hornbook.engine.finding import find_stage, kind_of
from hornbook.engine.keys import keys_of
from hornbook.engine.mistakes import checked
from hornbook.engine.recipe import Step
from hornbook.engine.workspace import Workspace
from hornbook.store.artifacts import Above, artifact_at
from hornbook.store.files import read_json
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.teachers.spec import TeacherSpec

WORK = ".hornbook"


def run_alone(
    use: str,
    inputs: list[str],
    knobs: dict[str, Any],
    out: Path,
    *,
    seed: int,
    runs: Path,
    executor: Executor,
    cache: Path,
    listen: Listener,
) -> dict[str, Any]:
    """Run one stage and put its result into `out`.

    Args:
        use: the stage's path.
        inputs: files, globs or folders of documents, or folders of earlier steps.
        knobs: name → value; `teacher.NAME` sets the teacher.
        out: gets part-*.parquet, dropped/part-*.parquet, manifest.json, or a job's files.
        seed: for stages that have a `seed` knob.
        runs: its journal answers and keeps requests to teachers.
        executor, cache, listen: as for a run.

    Returns:
        The manifest. Lines that could not be read count as dropped.

    Raises:
        UserError: unknown stage or knob, missing input.
    """
    step = _step(use, knobs, seed)
    workspace = Workspace(out / WORK, journal_root=runs)
    setting = Setting(workspace, executor, cache, listen, Governor())
    if not inputs and step.stage.needs:
        raise UserError(f"{use} needs documents to work on", fix=f"hornbook step {use} FILE… --out {out}")
    above, read = _above(step.stage, inputs, setting)
    model, params = setting.teacher(step)
    outputs = [artifact.manifest["output"] for artifact in above.above]
    keys = keys_of(use, step.stage, outputs, model=model, params=params, cache=cache / "digests.json")
    known = read_json(out / MANIFEST)
    if known is not None and known.get("key") == keys.step:
        shutil.rmtree(out / WORK, ignore_errors=True)
        return dict(known)
    folder = workspace.artifact(keys.step)
    where = (step.name, use, kind_of(type(step.stage)), 1, 1)
    listen(StepEvent("started", *where))
    artifact = setting.execute(step, keys, above, folder)
    manifest = _publish(artifact, read, out)
    listen(StepEvent("done", *where, manifest))
    shutil.rmtree(out / WORK, ignore_errors=True)
    return manifest


def _step(use: str, knobs: dict[str, Any], seed: int) -> Step:
    kind = find_stage(use)
    mine = {name: value for name, value in knobs.items() if not name.startswith("teacher.")}
    teacher = {name.removeprefix("teacher."): v for name, v in knobs.items() if name.startswith("teacher.")}
    if "seed" in kind.model_fields:
        mine = {"seed": seed} | mine
    stage = checked(kind, mine, use, lambda knob: f"{knob}=… of hornbook step {use}")
    if teacher and not isinstance(stage, Ask):
        raise UserError(f"{use} asks no teacher", fix=f"leave out {', '.join('teacher.' + t for t in teacher)}")
    asks = checked(TeacherSpec, teacher, "teacher", lambda key: f"teacher.{key}=…") if isinstance(stage, Ask) else None
    return Step(use, use, stage, (), asks)


def _above(stage: Stage, inputs: list[str], setting: Setting) -> tuple[Above, Artifact | None]:
    """Folders of earlier steps as they are; everything else read as documents first."""
    folders = [Path(given) for given in inputs if (Path(given) / MANIFEST).exists()]
    done = [artifact_at(folder, folder.name) for folder in folders]
    rest = [given for given in inputs if Path(given) not in folders]
    read = None
    if rest:
        read = _read(stage, rest, setting)
        done.append(read)
    sources = [artifact for artifact in done if artifact.makes == "documents"]
    made = {artifact.makes for artifact in done}
    for need in stage.needs:
        if need not in made:
            raise UserError(
                f"this stage needs {need}, and no input holds any",
                where=", ".join(inputs),
                fix="give the folder of a step that makes it (--out of `hornbook step`, or runs/NAME/NN-…)",
            )
    return Above(done, sources), read


def _read(stage: Stage, inputs: list[str], setting: Setting) -> Artifact:
    """The input files as documents (or as prompts, for a stage that reads prompts)."""
    prompts = stage.reads is not None and "text" not in stage.reads and {"prompt", "messages"} & set(stage.reads)
    use = "sources.prompts" if prompts else "sources.files"
    source = checked(find_stage(use), {"path": inputs}, use, lambda knob: ", ".join(inputs))
    assert isinstance(source, Source)
    keys = keys_of(use, source, [], cache=setting.cache / "digests.json")
    folder = setting.workspace.artifact(keys.step)
    if not (folder / MANIFEST).exists():
        step = Step("input", use, source, ())
        setting.execute(step, keys, Above([], []), folder)
    return artifact_at(folder, "input")


def _publish(artifact: Artifact, read: Artifact | None, out: Path) -> dict[str, Any]:
    """Put a result in its place, the manifest last; drops of reading count as well."""
    (out / MANIFEST).unlink(missing_ok=True)
    for old in out.glob("part-*.parquet"):
        old.unlink()
    shutil.rmtree(out / "dropped", ignore_errors=True)
    manifest = Manifest.model_validate(artifact.manifest)
    if read is not None and read.manifest["dropped"]:
        _add_drops(manifest, artifact, read)
    for path in sorted(artifact.folder.iterdir()):
        if path.name == MANIFEST:
            continue
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    manifest.write(out)
    return manifest.model_dump()


def _add_drops(manifest: Manifest, artifact: Artifact, read: Artifact) -> None:
    drops = artifact.folder / "dropped"
    drops.mkdir(exist_ok=True)
    for entry in read.manifest["drops"]:
        name = f"part-input-{entry['file'].removeprefix('part-')}"
        shutil.copyfile(read.folder / "dropped" / entry["file"], drops / name)
        manifest.drops.append({"file": name, "rows": entry["rows"]})
    manifest.rows_in += read.manifest["dropped"]
    manifest.dropped += read.manifest["dropped"]
    for reason, many in read.manifest["reasons"].items():
        manifest.reasons[reason] = manifest.reasons.get(reason, 0) + many
