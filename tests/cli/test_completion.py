"""Completion: the scripts are taken by real shells, and complete what there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hornbook.engine.finding import stage_names
from tests.commands import hornbook, last_json


def completed(folder: Path, *words: str) -> list[str]:
    """What the program offers a shell for the last word."""
    env = os.environ | {
        "_HORNBOOK_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["hornbook", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "hornbook"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_stages_recipes_and_runs(small: Path) -> None:
    assert completed(small, "lo") == ["look"]
    assert completed(small, "look", "s") == ["small"]
    assert completed(small, "why", "x", "--run", "s") == ["small"]
    assert "small.yaml" in completed(small, "plan", "s")
    assert "small.yaml" in completed(small, "run", "")
    assert completed(small, "stages", "") == stage_names()
    assert completed(small, "step", "quality.le") == ["quality.length"]
    assert "--dropped" in completed(small, "look", "--d")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_parses(shell: str, tmp_path: Path) -> None:
    script = hornbook("completion", shell, cwd=tmp_path).stdout
    assert "_HORNBOOK_COMPLETE" in script
    assert last_json(hornbook("completion", shell, "--json", cwd=tmp_path))["script"].rstrip() == script.rstrip()
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([found, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_really_completes(small: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = hornbook("completion", "bash", cwd=small).stdout
    (small / "bin").mkdir(exist_ok=True)
    program = small / "bin" / "hornbook"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hornbook "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = "COMP_WORDS=(hornbook look sm); COMP_CWORD=2; _hornbook_completion hornbook sm look"
    asked = f'{script}\n{words}; echo "${{COMPREPLY[@]}}"'
    env = os.environ | {"PATH": f"{small / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", asked], cwd=small, env=env, text=True, capture_output=True, check=False)
    assert done.stdout.strip() == "small", done.stderr
