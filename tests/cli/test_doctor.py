"""`hornbook doctor`: says what is, fails only where nothing would run."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from hornbook.cli import doctor
from tests.commands import hornbook, last_json


def test_on_this_machine(tmp_path: Path) -> None:
    found = last_json(hornbook("doctor", "--json", cwd=tmp_path))
    assert found["broken"] == []
    states = {entry["name"]: entry["state"] for entry in found["findings"]}
    assert {
        "python",
        "packages",
        "cores",
        "memory",
        "runs folder",
        "weights",
        "torch",
        "BLAS",
        "terminal",
        "sandbox",
    } <= set(states)
    assert (states["python"], states["packages"], states["runs folder"]) == ("ok", "ok", "ok")
    shown = hornbook("doctor", cwd=tmp_path).stdout
    assert "pyarrow" in shown
    assert not (tmp_path / "runs").exists()


def test_everything_wrong_has_a_fix(tmp_path: Path) -> None:
    for entry in doctor.examine(tmp_path):
        assert entry.says
        assert entry.state == "ok" or entry.fix, entry


def test_a_folder_that_cannot_be_written_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = hornbook("doctor", "--runs", str(tmp_path / "file" / "runs"), cwd=tmp_path)
    assert done.returncode == 1
    assert "broken  runs folder" in done.stdout


def test_missing_extras_are_missing_not_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("hornbook.nn.machine", "xllamacpp"):
            raise ImportError(f"no {name}")
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = {entry.name: entry for entry in doctor.examine(tmp_path)}
    assert (found["torch"].state, found["local teacher"].state) == ("missing", "missing")
    assert "pip install 'hornbook[train]'" in found["torch"].fix
    assert "pip install 'hornbook[local]'" in found["local teacher"].fix


def test_weights_that_are_not_here(tmp_path: Path) -> None:
    found = last_json(hornbook("doctor", "--json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "empty")))
    weights = next(entry for entry in found["findings"] if entry["name"] == "weights")
    assert weights["state"] == "missing"
    assert "hornbook models pull smollm2-135m-instruct" in weights["fix"]


def test_the_network_is_only_asked_when_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: Any) -> Any:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert "model hub" not in {entry.name for entry in doctor.examine(tmp_path)}
    found = {entry.name: entry for entry in doctor.examine(tmp_path, network=True)}
    assert (found["model hub"].state, found["package index"].state) == ("missing", "missing")


def test_it_says_which_walls_stand_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hornbook.sandbox.pool import Sandbox
    from hornbook.sandbox.walls import MECHANISMS, WALLS, standing

    def facts(gone: str) -> dict[str, Any]:
        every = {name for some in MECHANISMS.values() for name, _ in some} - {gone}
        refused = {gone: "Operation not permitted"} if gone else {}
        return {"trial": dict.fromkeys(WALLS, ""), "mechanisms": sorted(every), "refused": refused}

    def finding(gone: str) -> doctor.Finding:
        monkeypatch.setattr(Sandbox, "standing", lambda self: standing(facts(gone)))
        return next(entry for entry in doctor.examine(tmp_path) if entry.name == "sandbox")

    whole = finding("")
    assert (whole.state, whole.fix) == ("ok", "")
    assert all(wall in whole.says for wall in WALLS)
    assert "mount namespace" in whole.says
    broken = finding("seccomp")
    assert broken.state == "missing"
    assert "processes cannot be held: no seccomp (seccomp: Operation not permitted)" in broken.says
    assert "CONFIG_SECCOMP_FILTER" in broken.fix


def test_models_say_where_they_are(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    listed = last_json(hornbook("models", "list", "--json", cwd=tmp_path, **env))
    assert [(m["name"], m["here"]) for m in listed["models"]] == [("smollm2-135m-instruct", False)]
    done = hornbook("models", "path", "smollm2-135m-instruct", cwd=tmp_path, **env)
    assert done.returncode == 1
    assert "hornbook models pull smollm2-135m-instruct" in done.stderr
    done = hornbook("models", "path", "smollm2-135m-instuct", cwd=tmp_path, **env)
    assert done.returncode == 2
    assert "did you mean smollm2-135m-instruct?" in done.stderr


def test_a_file_of_ones_own_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    found = last_json(hornbook("models", "pull", "mine.gguf", "--json", cwd=tmp_path))
    assert (found["path"], found["size"], len(found["sha256"])) == ("mine.gguf", 64, 64)
    assert hornbook("models", "path", "mine.gguf", cwd=tmp_path).stdout == "mine.gguf\n"
