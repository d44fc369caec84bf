"""`hornbook doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import click

from hornbook.cli.common import cache_folder, json_option, print_json, runs_option

LOW_DISK = 2e9
"""Bytes: the weights, a small run and some room."""

LOW_MEMORY = 2e9
"""Bytes: the embedded teacher and a small student need about one and a half."""

PATIENCE = 3.0
"""Seconds to wait for a host with --network."""

_NEEDED = (
    "aiohttp", "click", "cydifflib", "filelock", "fsspec", "numba", "numpy", "orjson", "pyarrow", "pydantic",
    "rich", "ruamel.yaml", "tokenizers", "xxhash", "zstandard",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing.

    Args:
        name: the thing.
        state: ok; missing (something optional is not here); warning (it will be slow or tight); broken.
        says: the facts.
        fix: how to get it right.
    """

    name: str
    state: Literal["ok", "missing", "warning", "broken"]
    says: str
    fix: str = ""


@click.command(short_help="what works on this machine, and how to get the rest")
@click.option("--network", is_flag=True, help="Also see whether the package index and the model hub can be reached.")
@runs_option
@json_option
def command(network: bool, runs: Path, as_json: bool) -> None:
    """Look at this machine: Python, packages, cores, memory, disk, teacher, GPU; say how to get what is missing.

    Exit code 1 only where something is broken without which nothing runs.

    \b
      hornbook doctor
      hornbook doctor --network --json
    """
    findings = examine(runs, network=network)
    broken = [f.name for f in findings if f.state == "broken"]
    if as_json:
        print_json({"broken": broken, "findings": [asdict(f) for f in findings]})
    else:
        _show(findings)
    if broken:
        from hornbook.core.errors import HornbookError

        fixes = "; ".join(f.fix for f in findings if f.state == "broken")
        raise HornbookError(f"nothing can run here: {', '.join(broken)}", fix=fixes)


def examine(runs: Path, *, network: bool = False) -> list[Finding]:
    """All findings; a check that fails in a way nobody foresaw is a finding too."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("packages", _packages),
        ("cores", _cores),
        ("memory", _memory),
        ("disk at runs", lambda: _disk("disk at runs", runs)),
        ("disk at cache", lambda: _disk("disk at cache", cache_folder())),
        ("runs folder", lambda: _writable("runs folder", runs)),
        ("cache folder", lambda: _writable("cache folder", cache_folder())),
        ("local teacher", _llama),
        ("weights", _weights),
        ("torch", _torch),
        ("BLAS", _blas),
        ("terminal", _terminal),
        ("sandbox", _sandbox),
    ]
    if network:
        checks += [("package index", lambda: _reach("package index", "https://pypi.org/simple/pip/"))]
        checks += [("model hub", lambda: _reach("model hub", "https://huggingface.co/api/models?limit=1"))]
    findings = []
    for name, check in checks:
        try:
            findings.append(check())
        except Exception as error:
            findings.append(Finding(name, "warning", f"could not be looked at: {type(error).__name__}: {error}"))
    return findings


def _show(findings: list[Finding]) -> None:
    from rich.text import Text

    from hornbook.cli.safe import line
    from hornbook.cli.show import console, indented

    out = console()
    styles = {"ok": "green", "missing": "yellow", "warning": "yellow", "broken": "bold red"}
    for found in findings:
        head = Text.assemble((f"{found.state:<8}", styles[found.state]), f"{found.name:<15}", line(found.says, 400))
        out.print(head, soft_wrap=True)
        if found.fix and found.state != "ok":
            indented(out, found.fix, 8, "dim")


def _python() -> Finding:
    says = f"{platform.python_version()} on {platform.platform()}"
    return Finding("python", "ok", says)


def _packages() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    have, gone = [], []
    for name in _NEEDED:
        try:
            have.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            gone.append(name)
    if gone:
        return Finding(
            "packages", "broken", f"not installed: {', '.join(gone)}", "pip install --force-reinstall hornbook"
        )
    shown = [entry for entry in have if entry.split()[0] in ("pyarrow", "numba", "numpy", "pydantic")]
    for name in ("numpy", "pyarrow", "numba", "tokenizers"):
        try:
            import_module(name)
        except Exception as error:
            return Finding(
                "packages", "broken", f"{name} does not start: {error}", f"pip install --force-reinstall {name}"
            )
    return Finding("packages", "ok", f"{', '.join(shown)} and {len(have) - len(shown)} others")


def _cores() -> Finding:
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return Finding("cores", "ok", f"{mine} of {os.cpu_count()}{load}; {_processor()}")


def _processor() -> str:
    for text in _proc("/proc/cpuinfo").splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> Finding:
    info = dict(entry.split(":", 1) for entry in _proc("/proc/meminfo").splitlines() if ":" in entry)
    if info:
        total, free = (int(info[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    else:
        total = free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _proc("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit():
        total, used = min(total, int(limit)), int(_proc("/sys/fs/cgroup/memory.current").strip() or 0)
        free = min(free, total - used)
    says = f"{free / 1e9:.1f} GB free of {total / 1e9:.1f} GB"
    if free < LOW_MEMORY:
        return Finding("memory", "warning", says, "close something, or run with --workers 1 and train.depth 1")
    return Finding("memory", "ok", says)


def _disk(name: str, folder: Path) -> Finding:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    says = f"{free / 1e9:,.1f} GB free at {folder}"
    if free < LOW_DISK:
        return Finding(name, "warning", says, "make room, or choose another folder (--runs, XDG_CACHE_HOME)")
    return Finding(name, "ok", says)


def _writable(name: str, folder: Path) -> Finding:
    """Whether files can be made there, or the folder can be made."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(name, "ok", f"{folder} can be written")
    return Finding(name, "broken", f"{there} cannot be written", "change its owner or mode, or choose another folder")


def _llama() -> Finding:
    try:
        import xllamacpp
    except ImportError as error:
        return Finding(
            "local teacher", "missing", f"xllamacpp: {error}", "pip install 'hornbook[local]', or use a server"
        )
    return Finding("local teacher", "ok", f"xllamacpp {xllamacpp.__version__}")


def _weights() -> Finding:
    from hornbook.cli.models import known_models

    models = known_models()
    here = [model["name"] for model in models if model["here"]]
    if here:
        return Finding("weights", "ok", ", ".join(here))
    name = models[0]["name"]
    size = models[0]["size"] / 1e6
    return Finding(
        "weights", "missing", f"{name} is not here ({size:.0f} MB)", f"hornbook models pull {name}; a run does it too"
    )


def _torch() -> Finding:
    from importlib.metadata import version

    try:
        from hornbook.nn.machine import fast_bf16, pick_device
    except ImportError as error:
        fix = "pip install 'hornbook[train]': needed to train and examine students"
        return Finding("torch", "missing", str(error), fix)
    device = pick_device("auto")
    what = "CUDA" if device.type == "cuda" else "no GPU, trains on the processor"
    bfloat = "fast" if fast_bf16(device) else "no fast"
    return Finding("torch", "ok", f"{version('torch')}, {what}, {bfloat} bfloat16")


def _blas() -> Finding:
    """pip's OpenBLAS takes new processors for a Haswell and then uses half of their vector width."""
    import ctypes

    import numpy

    root = Path(numpy.__file__).parent
    for path in [*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        library = ctypes.CDLL(str(path))
        for symbol in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if hasattr(library, symbol):
                ask = getattr(library, symbol)
                ask.restype = ctypes.c_char_p
                core = ask().decode()
                if "avx512f" in _proc("/proc/cpuinfo") and core in ("Haswell", "Zen"):
                    fix = "export OPENBLAS_CORETYPE=SkylakeX before Python starts: about twice the speed in matrix work"
                    return Finding("BLAS", "warning", f"OpenBLAS takes this processor for {core}, it has AVX-512", fix)
                return Finding("BLAS", "ok", f"OpenBLAS, kernels for {core}")
    return Finding("BLAS", "ok", "not OpenBLAS")


def _sandbox() -> Finding:
    """Which walls stand around code that is run; each was tried."""
    from hornbook.core.errors import UserError
    from hornbook.sandbox.pool import Sandbox

    try:
        with Sandbox(require=()) as sandbox:
            walls = sandbox.standing()
    except UserError as error:
        return Finding("sandbox", "missing", error.what, error.fix)
    by: dict[tuple[str, ...], list[str]] = {}
    for wall in walls:
        if wall.stands:
            by.setdefault(wall.by, []).append(wall.wall)
    says = "; ".join(f"{', '.join(names)}: {' and '.join(how)}" for how, names in by.items())
    gone = [wall for wall in walls if not wall.stands]
    if not gone:
        return Finding("sandbox", "ok", f"all walls stand ({says})")
    what = "; ".join(f"{wall.wall} cannot be held: {wall.why}" for wall in gone)
    return Finding("sandbox", "missing", f"{what}. {says}", "; ".join(dict.fromkeys(wall.fix for wall in gone)))


def _terminal() -> Finding:
    width = shutil.get_terminal_size().columns
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    seen = "a terminal" if sys.stderr.isatty() else "no terminal: progress comes as plain lines"
    if encoding.lower().replace("-", "") != "utf8":
        return Finding("terminal", "warning", f"{seen}, {encoding}", "export PYTHONUTF8=1 or LANG=C.UTF-8")
    return Finding("terminal", "ok", f"{seen}, {width} columns, {encoding}")


def _reach(name: str, url: str) -> Finding:
    """Whether a host answers; nothing is sent but the request."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return Finding(name, "ok", f"{url.split('/')[2]} answers ({answer.status})")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            name, "missing", f"{url.split('/')[2]}: {reason}", "a proxy or mirror: HTTPS_PROXY, PIP_INDEX_URL"
        )


def _proc(path: str) -> str:
    """A file the kernel keeps, '' where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
