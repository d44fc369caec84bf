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
from hornbook.engine.results import answered
from hornbook.engine.run import sole
from hornbook.engine.workspace import Workspace
from hornbook.store.agreeing import agree
from hornbook.store.artifacts import Above, finished
from hornbook.store.manifest import MANIFEST, Manifest
from hornbook.store.reading import File, expand
from hornbook.store.reading.places import hidden
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
    _mind(inputs, out)
    with sole(out / WORK, f"{out} is being written"):
        return _run(step, inputs, out, Workspace(out / WORK, journal_root=runs), executor, cache, listen)


def _run(
    step: Step, inputs: list[str], out: Path, workspace: Workspace, executor: Executor, cache: Path, listen: Listener
) -> dict[str, Any]:
    use = step.use
    setting = Setting(workspace, executor, cache, listen, Governor())
    if not inputs and step.stage.needs:
        shutil.rmtree(out / WORK, ignore_errors=True)
        raise UserError(f"{use} needs documents to work on", fix=f"hornbook step {use} FILE… --out {out}")
    above, read = _above(step.stage, inputs, setting)
    model, params = setting.teacher(step)
    outputs = [artifact.manifest["output"] for artifact in above.above]
    keys = keys_of(use, step.stage, outputs, model=model, params=params, cache=cache / "digests.json")
    known = finished(out, step.name)
    if known is not None and known.manifest["key"] == keys.step and answered(known):
        shutil.rmtree(out / WORK, ignore_errors=True)
        return dict(known.manifest)
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


def _mind(inputs: list[str], out: Path) -> None:
    """Write over nothing that is not ours, nor over what is read.

    Raises:
        UserError: the result would replace an input or somebody's files, or be an input of the next run.
    """
    home = out.resolve()
    for given in inputs:
        path = Path(given).expanduser().resolve()
        inside = path in home.parents and path.is_dir() and not hidden(home.relative_to(path).parts)
        if path == home or inside or any(_replaced(Path(file.path), home) for file in _files(given)):
            raise UserError(
                f"--out {out} would write among what is read",
                where=given,
                fix="an --out outside of the inputs: else the result replaces them, or the next run reads it",
            )
    theirs = any(out.glob("part-*.parquet")) or (out / "dropped").exists() or (out / MANIFEST).exists()
    if theirs and Manifest.read(out) is None and not (out / WORK).exists():
        raise UserError(
            f"{out} holds part-*.parquet, dropped/ or manifest.json of another program",
            where=str(home),
            fix="another --out, or move those files: a result would replace them",
        )


def _files(given: str) -> list[File]:
    return [] if "://" in given or finished(Path(given), "") else expand(given)


def _replaced(file: Path, home: Path) -> bool:
    """Whether a result in `home` would replace or remove the file."""
    file = file.resolve()
    part = file.parent == home and file.match("part-*.parquet")
    return part or home / "dropped" in file.parents or home / WORK in file.parents


def _above(stage: Stage, inputs: list[str], setting: Setting) -> tuple[Above, Artifact | None]:
    """Folders of earlier steps as they are; everything else read as documents first."""
    done: list[Artifact] = []
    rest: list[str] = []
    for given in dict.fromkeys(inputs):
        found = finished(Path(given), Path(given).name)
        if found is None:
            rest.append(given)
        elif all(not found.folder.samefile(other.folder) for other in done):
            done.append(found)
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
    need = {"need": ["text", *stage.instead_of_text]} if stage.instead_of_text else {}
    source = checked(find_stage(use), {"path": inputs} | need, use, lambda knob: ", ".join(inputs))
    assert isinstance(source, Source)
    keys = keys_of(use, source, [], cache=setting.cache / "digests.json")
    folder = setting.workspace.artifact(keys.step)
    return setting.execute(Step("input", use, source, ()), keys, Above([], []), folder)


def _publish(artifact: Artifact, read: Artifact | None, out: Path) -> dict[str, Any]:
    """Put a result in its place, the manifest last; drops of reading count as well."""
    for folder in (out, artifact.folder):  # neither is whole until the end
        (folder / MANIFEST).unlink(missing_ok=True)
    for old in out.glob("part-*.parquet"):
        old.unlink()
    shutil.rmtree(out / "dropped", ignore_errors=True)
    manifest = Manifest.model_validate(artifact.manifest)
    if read is not None and read.manifest["dropped"]:
        _add_drops(manifest, artifact, read)
    for path in sorted(artifact.folder.iterdir()):
        if path.name.startswith("."):
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
    agree(drops, manifest.drops)
    manifest.rows_in += read.manifest["dropped"]
    manifest.dropped += read.manifest["dropped"]
    for reason, many in read.manifest["reasons"].items():
        manifest.reasons[reason] = manifest.reasons.get(reason, 0) + many
