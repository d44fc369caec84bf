"""The house stands: imports point down, torch lives in nn alone, stages know nothing of engine or each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hornbook"
FLOORS = {
    "core": 0,
    "kernels": 1,
    "store": 1,
    "teachers": 1,
    "nn": 1,
    "sandbox": 1,
    "skills": 1,
    "engine": 2,
    "stages": 2,
    "recipes": 2,
    "lab": 3,
    "cli": 4,
    "web": 4,
}
SIBLINGS_ALLOWED = {("engine", "stages")}
"""engine finds stages by name: it imports the empty package, to list it, and nothing in it."""


def files() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if "templates" not in p.parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path):
    here = room(path)
    if here.endswith(".py"):
        return
    assert here in FLOORS, f"{here} stands on no floor: add it to DESIGN's picture in ARCHITECTURE.md and here"
    for module, line in imports(path):
        parts = module.split(".")
        if parts[0] != "hornbook" or len(parts) < 2 or parts[1] not in FLOORS:
            continue
        there = parts[1]
        place = f"{path.relative_to(SOURCE)}:{line} imports {module}"
        if there == here:
            continue
        if (here, there) in SIBLINGS_ALLOWED:
            assert len(parts) == 2, f"{place}: engine may only list the stages"
            continue
        assert FLOORS[there] < FLOORS[here], f"{place}: from floor {FLOORS[here]} to floor {FLOORS[there]}"


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_stages_do_not_import_other_folders_stages(path):
    if room(path) != "stages" or path.name == "__init__.py":
        return
    folder = path.relative_to(SOURCE).parts[1]
    for module, line in imports(path):
        if module.startswith("hornbook.stages.") and not module.startswith(f"hornbook.stages.{folder}"):
            pytest.fail(f"{path.name}:{line} imports {module}")


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_torch_lives_in_nn(path):
    if room(path) == "nn":
        return
    for module, line in imports(path):
        assert module.split(".")[0] != "torch", f"{path.relative_to(SOURCE)}:{line} imports torch outside nn"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from hornbook.cli import main; main.run(['--help']); "
        "names = {'pyarrow','pydantic','numpy','numba','torch','rich','aiohttp','ruamel','xllamacpp'}; "
        "heavy = names & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Commands" in done.stdout


def test_modules_import_without_side_effects_on_the_working_folder(tmp_path):
    code = (
        "import pkgutil, importlib, hornbook\n"
        "for m in pkgutil.walk_packages(hornbook.__path__, 'hornbook.'):\n"
        "    if '.nn' not in m.name and '.templates' not in m.name:\n"
        "        importlib.import_module(m.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
