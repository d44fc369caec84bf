"""The laws of DESIGN section 4, for every stage file there is."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hornbook.core.knobs import is_threshold
from hornbook.core.stage import Across, Ask, Each, Job, Source
from hornbook.engine.executors import Pool
from hornbook.engine.finding import find_stage, kind_of, stage_names
from hornbook.engine.keys import keys_of
from tests.contract import digest_of, example_of, recipe_of, run, table_of

STAGES = stage_names()
DOCUMENT_STAGES = [name for name in STAGES if not issubclass(find_stage(name), Job)]
MARKING_STAGES = [name for name in STAGES if issubclass(find_stage(name), (Each, Across, Ask))]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder, so that paths in origins are the same on every machine."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("stage", STAGES)
def test_has_a_test_with_an_example_and_a_page(stage):
    example_of(stage)
    page = ROOT / "docs" / "stages" / f"{stage}.md"
    assert page.exists(), f"{stage} has no page: write {page.relative_to(ROOT)}"
    assert "<!-- knobs -->" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_knobs_say_what_they_are(stage):
    for name, field in find_stage(stage).model_fields.items():
        assert field.description, f"{stage}.{name} has no help"


@pytest.mark.parametrize("stage", DOCUMENT_STAGES)
def test_kept_and_dropped_are_what_came_in(stage, here):
    done = run(recipe_of(stage, example_of(stage), Path("contract")), here)
    manifest = done[-1].manifest
    kept, dropped = table_of(done[-1]), table_of(done[-1], "drops")
    kept_ids = [] if kept is None else kept["id"].to_pylist()
    dropped_ids = [] if dropped is None else dropped["id"].to_pylist()
    assert manifest["kept"] + manifest["dropped"] == manifest["rows_in"]
    assert (len(kept_ids), len(dropped_ids)) == (manifest["kept"], manifest["dropped"])
    assert sum(manifest["reasons"].values()) == manifest["dropped"]
    if dropped is not None:
        assert all(dropped["reason"].to_pylist()), "a drop without a reason"
        assert all(dropped["evidence"].to_pylist()), "a drop without evidence"
        assert set(dropped["reason"].to_pylist()) == set(manifest["reasons"])
    if not issubclass(find_stage(stage), Source):
        above = table_of(done[-2])
        assert above is not None
        assert sorted(kept_ids + dropped_ids) == sorted(above["id"].to_pylist())
        order = {key: at for at, key in enumerate(above["id"].to_pylist())}
        assert [order[key] for key in kept_ids] == sorted(order[key] for key in kept_ids), "documents changed places"


def parts_bytes(artifact):
    names = sorted([*artifact.folder.glob("*.parquet"), *artifact.folder.glob("dropped/*.parquet")])
    names += sorted(
        [
            *artifact.folder.glob("*.bin"),
            *artifact.folder.glob("*.npy"),
            *artifact.folder.glob("tokenizer.json"),
        ]
    )
    return {str(path.relative_to(artifact.folder)): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def two_workers():
    """Two worker processes for all stages: to begin them costs more than most stages do."""
    with Pool(2) as pool:
        yield pool


class In:
    """The same workers, told each time which folder paths are relative to."""

    def __init__(self, folder, pool):
        self.folder, self.pool, self.workers = folder, pool, pool.workers

    def map(self, task, items, *, threads=False):
        return self.pool.map(functools.partial(do_in, self.folder, task), items, threads=threads)


def do_in(folder, task, item):
    os.chdir(folder)
    return task(item)


@pytest.mark.parametrize("stage", DOCUMENT_STAGES)
def test_same_bytes_with_one_worker_or_two(stage, here, two_workers):
    recipe = recipe_of(stage, example_of(stage), Path("contract"), files=3)
    *before, alone = run(recipe, here / "inline")
    together = run(recipe, here / "pool", In(here, two_workers))[-1]
    assert parts_bytes(alone) == parts_bytes(together)
    if not any(above.manifest["kind"] == "job" for above in before):  # a training's facts are in keys
        assert alone.manifest["key"] == together.manifest["key"]


KILLER = """
import json, os, signal, sys, threading
from pathlib import Path
from hornbook.engine.finding import find_stage
from tests.contract import example_of, recipe_of, run
for line in sys.stdin:
    stage, home, delay, environment = json.loads(line)
    example = example_of(stage)
    for name in (stage, *(use for use, _ in example.above)):
        find_stage(name)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ.update(environment)
        os.chdir(home)
        recipe = recipe_of(stage, example, Path("contract"), files=3)
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        run(recipe, Path("killed"))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def run_and_kill():
    """Runs a stage's example in a folder and kills it after some seconds: forks of one process, begun once."""
    path = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-c", KILLER], env=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:

        def once(stage: str, home: Path, delay: float) -> int:
            print(json.dumps([stage, str(home), delay, dict(os.environ)]), file=child.stdin, flush=True)
            return int(child.stdout.readline())

        yield once
        child.stdin.close()


@pytest.mark.parametrize("stage", DOCUMENT_STAGES)
def test_same_bytes_after_kill_9(stage, here, run_and_kill):
    recipe = recipe_of(stage, example_of(stage), Path("contract"), files=3)
    whole = run(recipe, here / "whole")[-1]
    draw = random.Random(stage)
    for _ in range(2):
        assert run_and_kill(stage, here, draw.uniform(0.01, 0.25)) in (0, signal.SIGKILL)
    again = run(recipe, here / "killed")[-1]
    assert parts_bytes(whole) == parts_bytes(again)


def other_values(value):
    """Other values of a threshold knob, to be tried in turn."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        tries = [value / 2 if isinstance(value, float) else value // 2, value + 1, value - 1, 0, 1]
        return [t for t in tries if t != value]
    if isinstance(value, tuple):
        return [value[1:]]
    return [1, 0.5, True] if value is None else []


@pytest.mark.parametrize("stage", MARKING_STAGES)
def test_a_changed_threshold_scores_nothing_again(stage, here, monkeypatch):
    kind = find_stage(stage)
    thresholds = [name for name, field in kind.model_fields.items() if is_threshold(field)]
    example = example_of(stage)
    recipe = recipe_of(stage, example, Path("contract"))
    run(recipe, here)
    method = {"each": "each", "across": "apply", "ask": "take"}[kind_of(kind)]

    def refuse(*args, **kwargs):
        raise AssertionError(f"{stage}.{method} was called again")

    for name in thresholds:
        made = changed(recipe, name)
        with monkeypatch.context() as patch:
            patch.setattr(kind, method, refuse)
            artifact = run(made, here)[-1]
        assert artifact.manifest["key"] != run(recipe, here)[-1].manifest["key"]


def changed(recipe, knob):
    """The recipe with another value of one knob of its last step."""
    last = recipe.steps[-1]
    for value in other_values(getattr(last.stage, knob)):
        try:
            stage = type(last.stage).model_validate(last.stage.model_dump() | {knob: value})
        except ValueError:
            continue
        return dataclasses.replace(recipe, steps=(*recipe.steps[:-1], dataclasses.replace(last, stage=stage)))
    raise AssertionError(f"no other value found for the knob {knob}")


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@pytest.mark.parametrize("stage", STAGES)
def test_the_key_covers_every_knob_and_input(stage, here):
    recipe = recipe_of(stage, example_of(stage), Path("contract"))
    made = recipe.steps[-1].stage
    base = keys_of(stage, made, ["a"])
    assert keys_of(stage, made, ["a"]) == base
    assert keys_of(stage, made, ["b"]).step != base.step
    assert keys_of(stage, made, ["a"], model="other").step != base.step
    for name, field in type(made).model_fields.items():
        copy = made.model_copy(update={name: f"another {name}"})
        keys = keys_of(stage, copy, ["a"])
        assert keys.step != base.step, f"{name} is not in the key"
        assert (keys.marks == base.marks) == is_threshold(field), f"{name}: a threshold must not reach the marks"


@pytest.mark.parametrize("stage", DOCUMENT_STAGES)
def test_output_changes_only_with_the_version(stage, here):
    example = example_of(stage)
    version = find_stage(stage).version
    artifact = run(recipe_of(stage, example, Path("contract")), here)[-1]
    found = digest_of(artifact)
    assert example.golden.get(version) == found, (
        f"{stage} version {version} gives {found}: if that is meant, raise `version` and put "
        f"{json.dumps({version: found})} into the golden of its test"
    )


@pytest.mark.parametrize("stage", [name for name in STAGES if issubclass(find_stage(name), Job)])
def test_jobs_run_on_hostile_text_and_are_found_done(stage, here):
    recipe = recipe_of(stage, example_of(stage), Path("contract"))
    events = []
    first = run(recipe, here)[-1]
    second = run(recipe, here, listen=events.append)[-1]
    assert first.manifest["key"] == second.manifest["key"]
    assert {event.what for event in events} == {"cached"}
    assert first.makes == find_stage(stage).makes
