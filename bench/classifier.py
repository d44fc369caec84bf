"""A small model learned from a few labelled files and run over a corpus: files a second, and how well it tells.

The label is one that paths tell (is the file a test?), so that all contenders learn the very same from the very same
2,000 files, and are judged on files they have not seen. See docs/bench.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import corpus, peers
from bench.harness import Contender, Facts, Failed, Options, Outcome, take_turns
from hornbook import __version__

PEERS = ("fasttext", "minilm")
UNIT = "documents/s"
HERE = Path(__file__).resolve().parent / "classifying"
LEARN, LEARN_QUICK = 2000, 500
SLOW = {"minilm": (2000, 100)}
"""Documents that a peer of a few dozen a second scores, usually and with --quick; the speed is the same for more."""
QUICK_SECONDS = 54.0
LONGEST = 1800.0
COLUMNS = {
    "auroc": "AUROC",
    "auroc_error": "± 1 SE",
    "cpu_ms": "CPU ms/document",
    "mb_per_cpu_s": "MB/CPU s",
    "fit_s": "fit s",
    "documents": "scored",
}


def run(options: Options) -> Outcome:
    """Take turns: ours by each method, fastText, MiniLM.

    Raises:
        SystemExit: there is no corpus.
    """
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    size = corpus.size_of(options.quick, options.full)
    try:
        files = [str(path) for path in corpus.pieces(options.cache, "code", size)]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error
    learn = LEARN_QUICK if options.quick else LEARN
    ours = [
        _ours(method, role, learn, files)
        for method, role in (("ngrams", "ours"), ("linear", "shown"), ("forest", "shown"))
    ]
    theirs = [_peer(peer, learn, options, files) for peer in PEERS]
    rounds = options.rounds or (1 if options.quick else 3)
    scores = take_turns([*ours, *theirs], rounds, options.tell, until)
    detail: Facts = {"corpus": size, "learned_from": learn}
    detail |= {score.name: {name: score.median(name) for name in COLUMNS} for score in scores}
    return Outcome(scores, UNIT, True, _versions(), COLUMNS, detail)


def _ours(method: str, role: str, learn: int, files: list[str]) -> Contender:
    command = [sys.executable, "-m", "bench.classifying.run_ours", method, str(learn), "0", *files]
    name = f"hornbook {method}"
    return Contender(name, role, lambda left: _said(command, dict(os.environ), min(left, LONGEST)))  # type: ignore[arg-type]


def _peer(peer: str, learn: int, options: Options, files: list[str]) -> Contender:
    python = peers.python_of(peer, options.cache)
    missing = None if python else "not installed: python -m bench --install classifier"
    most = SLOW[peer][options.quick] if peer in SLOW else 0
    few = min(learn, most) if most else learn
    command = [str(python), str(HERE / f"run_{peer}.py"), str(few), str(most), *files]
    scene = peers.environment(options.cache / peer)
    return Contender(peer, "peer", lambda left: _said(command, scene, min(left, LONGEST)), missing)


def _said(command: list[str], scene: dict[str, str], seconds: float) -> Facts:
    """What a contender printed.

    Raises:
        Failed: it ended badly or late.
    """
    try:
        done = subprocess.run(command, env=scene, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"not done in {seconds:.0f} s") from error
    if done.returncode:
        raise Failed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}")
    found: Facts = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _versions() -> dict[str, str]:
    own = {"hornbook": __version__, "python": platform.python_version()}
    for name in ("scikit-learn", "wordllama", "numba"):
        try:
            own[name] = version(name)
        except PackageNotFoundError:
            own[name] = "not installed"
    return own | {peer: peers.version_of(peer) for peer in PEERS}
