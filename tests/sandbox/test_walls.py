"""Walls are tried, not assumed; where one cannot be had nothing is run, and the person is told why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hornbook.core.errors import UserError
from hornbook.sandbox.pool import Sandbox
from hornbook.sandbox.values import Limits, Program
from hornbook.sandbox.walls import MECHANISMS, WALLS, demand, standing

ROOT = Path(__file__).resolve().parents[2]
HELD = {"trial": dict.fromkeys(WALLS, ""), "mechanisms": ["seccomp", "Landlock", "resource limits", "keeper"]}
LOOK = """
import json, sys
from hornbook.core.errors import UserError
from hornbook.sandbox.pool import Sandbox
from hornbook.sandbox.values import Limits, Program
with Sandbox(Limits(seconds=2), require=()) as sandbox:
    facts = {wall.wall: wall.by for wall in sandbox.standing() if wall.stands}
    ran = sandbox.run(Program("def f(): return 1", "assert f() == 1"))
    files = sandbox.run(Program("for n in range(2000): open(f'{n}', 'w').close()\\nimport time; time.sleep(5)"))
    threads = sandbox.run(Program("import threading, time\\nthreading.stack_size(1 << 16)\\n"
        "for n in range(40): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\\ntime.sleep(5)"))
try:
    with Sandbox() as sandbox:
        error = sandbox.run(Program("print('ran')")).output
except UserError as refused:
    error = str(refused)
print(json.dumps([facts, ran.verdict, files.verdict, threads.verdict, error]))
"""


def where_refused(what: str) -> tuple[dict[str, list[str]], str, str, str, str]:
    """What the sandbox says and does where the kernel refuses these calls."""
    command = [sys.executable, "-m", "tests.sandbox.refusing", what, sys.executable, "-c", LOOK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found[0], found[1], found[2], found[3], found[4]


def can(what: str) -> bool:
    """Whether this machine has a mechanism that is to be taken away."""
    try:
        with Sandbox(require=()) as sandbox:
            return any(what in wall.by for wall in sandbox.standing())
    except UserError:
        return False


needs_landlock = pytest.mark.skipif(not can("Landlock"), reason="this kernel has no Landlock")
needs_namespaces = pytest.mark.skipif(not can("mount namespace"), reason="namespaces are refused on this machine")


@needs_landlock
def test_without_namespaces_landlock_and_seccomp_hold() -> None:
    facts, ran, files, threads, told = where_refused("namespaces")
    assert set(facts) == set(WALLS)
    assert facts["files"] == facts["secrets"] == ["Landlock"]
    assert facts["disk"] == ["keeper"]
    assert ran == "pass"
    assert files == "output"
    assert threads in ("blocked", "error")
    assert told == "ran\n"


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make other namespaces without one of users")
def test_a_root_needs_no_namespace_of_users() -> None:
    facts, ran, files, threads, told = where_refused("users")
    assert set(facts) == set(WALLS)
    assert facts["files"] == ["mount namespace", "Landlock"]
    assert (ran, files, told) == ("pass", "output", "ran\n")
    assert threads in ("blocked", "error")


@needs_namespaces
def test_without_landlock_namespaces_hold() -> None:
    facts, ran, files, threads, told = where_refused("landlock")
    assert set(facts) == set(WALLS)
    assert facts["files"] == ["mount namespace"]
    assert (ran, files, threads, told) == ("pass", "output", "error", "ran\n")


@needs_landlock
def test_without_both_it_refuses() -> None:
    facts, ran, _, _, told = where_refused("namespaces,landlock")
    assert set(WALLS) - set(facts) == {"files", "secrets"}
    assert ran == "pass"
    assert told.startswith("error: untrusted code is not run here: files, secrets cannot be held")
    assert "unshare: Operation not permitted" in told
    assert "bubblewrap" in told


@needs_namespaces
def test_without_seccomp_it_refuses() -> None:
    facts, _, _, _, told = where_refused("seccomp")
    assert {"network", "processes", "kernel"}.isdisjoint(facts)
    assert "network, processes, kernel cannot be held" in told
    assert "CONFIG_SECCOMP_FILTER" in told


def test_without_pidfd_it_is_slower_and_the_same() -> None:
    facts, ran, files, threads, told = where_refused("pidfd")
    assert (ran, files, threads) == ("pass", "output", "error")
    assert told == "ran\n" or set(facts) != set(WALLS)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_bubblewrap_holds_the_same() -> None:
    with Sandbox(Limits(seconds=2, disk=1, files=50), way="bubblewrap", require=()) as sandbox:
        walls = sandbox.standing()
        if not any("mount namespace" in wall.by for wall in walls):
            pytest.skip("bubblewrap is refused on this machine")
        assert [wall.wall for wall in walls if wall.stands] == list(WALLS)
        assert sandbox.run(Program("def f(): return 1", "assert f() == 1")).verdict == "pass"
        assert sandbox.run(Program("open('a', 'wb').write(bytes(1 << 24))")).verdict == "output"
        home = sandbox.run(Program(f"import os; print(os.listdir({str(Path.home())!r}))"))
        assert home.verdict in ("blocked", "error")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not Path("/usr/bin/python3.11").exists(), reason="no Python that other users may read")
def test_an_ordinary_user_has_the_same_walls(tmp_path: Path) -> None:
    copy = tmp_path / "hornbook"
    shutil.copytree(
        ROOT / "src" / "hornbook" / "sandbox", copy / "sandbox", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "src" / "hornbook" / "core", copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "src" / "hornbook" / "__init__.py", copy)
    for path in (tmp_path, *tmp_path.parents[:-2]):
        path.chmod(0o755)
    done = subprocess.run(
        ["/usr/bin/python3.11", "-B", "-c", LOOK], env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, cwd="/", user=4321, group=4321, extra_groups=[], timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts, ran, files, threads, told = json.loads(done.stdout)
    assert (set(facts), ran, files, threads, told) == (set(WALLS), "pass", "output", "error", "ran\n")


@pytest.mark.parametrize("wall", WALLS)
def test_a_wall_that_did_not_hold_in_the_trial_is_refused(wall: str) -> None:
    demand(WALLS, HELD)
    facts = {**HELD, "trial": {**dict.fromkeys(WALLS, ""), wall: "it leaked"}, "refused": {"Landlock": "no such thing"}}
    with pytest.raises(UserError, match=f"{wall} cannot be held") as raised:
        demand(WALLS, facts)
    assert "it leaked" in raised.value.where
    assert "no such thing" in raised.value.where
    assert raised.value.fix
    demand(tuple(other for other in WALLS if other != wall), facts)


@pytest.mark.parametrize("wall", WALLS)
def test_a_wall_that_nothing_holds_is_refused_though_the_trial_passed(wall: str) -> None:
    gone = {name for name, _ in MECHANISMS[wall]}  # type: ignore[index]
    facts = {**HELD, "mechanisms": [name for name in HELD["mechanisms"] if name not in gone]}
    assert wall in [found.wall for found in standing(facts) if not found.stands]


def test_where_no_process_could_be_held_nothing_stands() -> None:
    facts = {"trial": None, "mechanisms": list(HELD["mechanisms"]), "refused": {"walls": "broken"}}
    assert not any(wall.stands for wall in standing(facts))
    assert not any(wall.stands for wall in standing({}))
