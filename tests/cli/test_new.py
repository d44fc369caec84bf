"""`hornbook new stage`: what it writes works as it is, alone, in a recipe and under the contract."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hornbook.cli.new import KINDS
from tests.commands import ROOT, hornbook, last_json, write_jsonl


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of one's own with a stage of each kind."""
    folder = tmp_path_factory.mktemp("own")
    write_jsonl(folder / "in.jsonl", [{"id": f"d{n}", "text": "word " * n} for n in range(30)])
    for kind in KINDS:
        found = last_json(hornbook("new", "stage", f"mypkg.stages.my_{kind}", "--kind", kind, "--json", cwd=folder))
        assert found["files"] == [
            f"mypkg/stages/my_{kind}.py", f"mypkg/stages/test_my_{kind}.py", f"mypkg/stages/my_{kind}.md",
        ]  # fmt: skip
        assert all((folder / file).exists() for file in found["files"])
    return folder


def test_their_own_tests_pass(own: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "."],
        cwd=own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_each_runs_alone(own: Path, kind: str) -> None:
    inputs = [] if kind == "source" else ["in.jsonl"]
    knobs = ["teacher.use=scripted"] if kind == "ask" else []
    out = f"out-{kind}"
    found = last_json(hornbook("step", f"mypkg.stages.my_{kind}", *inputs, *knobs, "--out", out, "--json", cwd=own))
    assert found["kind"] == kind
    assert found["kept"] + found["dropped"] == found["rows_in"]
    assert found["rows_in"] == (10 if kind == "source" else 30)
    assert found["dropped"] == (1 if kind == "each" else 0)


def test_all_run_in_one_recipe(own: Path) -> None:
    steps = "".join(f"  - use: mypkg.stages.my_{kind}\n" for kind in ("source", "each", "across", "ask", "job"))
    (own / "mine.yaml").write_text(f"name: mine\nteacher: {{use: scripted}}\nsteps:\n{steps}", encoding="utf-8")
    found = last_json(hornbook("run", "mine.yaml", "--json", cwd=own))
    assert [step["kept"] for step in found["steps"]] == [10] * 5
    traced = last_json(hornbook("why", "my_source-0000003", "--json", cwd=own))
    assert [passage["use"].rpartition("_")[2] for passage in traced["passages"]] == ["source", "each", "across", "ask"]
    assert len(traced["requests"]) == 1


def test_in_a_checkout_it_meets_the_contract(tmp_path: Path) -> None:
    """A copy of this repository, a new stage in it, and the whole contract test run on it."""
    for name in ("src", "tests", "docs", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    env = os.environ | {"PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}

    def here(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *args], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    made = here("hornbook", "new", "stage", "quality.rhymes")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[:3] == [
        "src/hornbook/stages/quality/rhymes.py", "tests/stages/quality/test_rhymes.py", "docs/stages/quality.rhymes.md",
    ]  # fmt: skip
    assert "golden={" in (tmp_path / "tests/stages/quality/test_rhymes.py").read_text(encoding="utf-8")
    done = here(
        "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/stages/quality/test_rhymes.py",
        "tests/test_contract.py", "tests/test_floors.py", "-k", "rhymes",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert here("hornbook", "stages", "--pages", "docs/stages").returncode in (0, 1)
    assert "`least` ¹" in (tmp_path / "docs/stages/quality.rhymes.md").read_text(encoding="utf-8")


def test_what_is_written_is_tidy(own: Path, tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "hornbook" / "stages").mkdir(parents=True)
    for kind in KINDS:
        assert hornbook("new", "stage", f"quality.my_{kind}", "--kind", kind, cwd=tmp_path).returncode == 0
    for args in (["check"], ["format", "--check"]):
        for folder in (own / "mypkg", tmp_path):
            done = subprocess.run(
                [ruff, *args, "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(folder)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rhymes", "mypkg.stages.rhymes"),
        ("My.Stage", "small letters"),
        ("a.class", "small letters"),
        ("../etc.x", "small letters"),
        ("mypkg.stages.my_each", "another name"),
    ],
)
def test_names_that_cannot_be(own: Path, name: str, hint: str) -> None:
    done = hornbook("new", "stage", name, cwd=own)
    assert done.returncode == 2
    assert hint in done.stderr


def test_a_checkout_knows_its_folders(tmp_path: Path) -> None:
    (tmp_path / "src" / "hornbook" / "stages").mkdir(parents=True)
    done = hornbook("new", "stage", "qualty.x", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `quality`?" in done.stderr
