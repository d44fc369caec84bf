"""Whether the walls hold, by trying them: a process is held as a run is, and does what no run may."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from hornbook.sandbox import landlock, libc
from hornbook.sandbox.entering import REPORT, Walls
from hornbook.sandbox.namespaces import Place


def trial(walls: Walls, place: Place, home: str, python: list[str]) -> dict[str, Any]:
    """What was tried, and what stands behind it.

    Returns:
        `trial`: wall → '' where it held, else what happened; None where no process could be held at all.
        `mechanisms`: those that are in use.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _attempt(walls, writing, home, python)
    os.close(writing)
    data = b""
    while part := os.read(reading, 65536):
        data += part
    os.close(reading)
    os.waitpid(pid, 0)
    if not data.startswith(b"{"):
        place.refused["walls"] = data.decode("utf-8", "replace") or "the process ended"
        return {"trial": None, "mechanisms": mechanisms(walls, place)}
    return {"trial": json.loads(data), "mechanisms": mechanisms(walls, place)}


def tried(do: Callable[[], Any]) -> None:
    """See in a process of its own whether something can be done.

    Raises:
        OSError: what it raised there.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            do()
        except OSError as error:
            os.write(writing, f"{error.errno} {error.strerror}".encode())
        except BaseException as error:
            os.write(writing, f"0 {type(error).__name__}".encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as said:  # noqa: PTH123
        text = said.read().decode("utf-8", "replace")
    _, status = os.waitpid(pid, 0)
    if text or status:
        number, _, words = text.partition(" ")
        raise OSError(int(number or 0), words or f"the process ended with status {status}")


def mechanisms(walls: Walls, place: Place) -> list[str]:
    """Names of what holds runs here, as `walls.MECHANISMS` has them."""
    found = ["resource limits", "keeper"]
    if place.way != "none":
        found += ["mount namespace", "network namespace", "process namespace", "tmpfs"]
    if walls.filter is not None:
        found.append("seccomp")
    if walls.rules >= 0:
        found.append("Landlock")
        if landlock.version() >= 6:
            found.append("Landlock scopes")
    return found


def _attempt(walls: Walls, writing: int, home: str, reading: list[str]) -> None:
    parent, itself = os.getppid(), os.getpid()
    try:
        walls.enter({REPORT: writing})
        tries: dict[str, dict[str, Callable[[], Any]]] = {
            "network": {"connecting": _connect, "making a socket": lambda: socket.socket(socket.AF_UNIX)},
            "files": {f"writing {path}": partial(_write, path) for path in ("/tmp/hornbook", os.__file__, "/hornbook")},
            "secrets": {
                "listing the home folder": lambda: _list(home, reading),
                "reading /proc/1/environ": lambda: _read("/proc/1/environ"),
                "reading /etc/passwd": lambda: _read("/etc/passwd"),
            },
            "processes": {"fork": lambda: _child(itself)},
            "signals": {"signalling the keeper": lambda: os.kill(parent, 0)},
            "kernel": {
                "unshare": lambda: libc.unshare(libc.CLONE_NEWUSER),
                "mount": lambda: libc.mount("none", "/", "tmpfs", 0),
            },
            "memory": {"taking more": lambda: bytearray((walls.limits.memory + 1) << 20)},
        }
        held = {wall: "; ".join(filter(None, map(_refused, some, some.values()))) for wall, some in tries.items()}
        limit, _ = resource.getrlimit(resource.RLIMIT_CPU)
        held["time"] = "" if limit > 0 else "no limit of processor time"
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        held["disk"] = "" if 0 < limit <= walls.limits.disk << 20 else "no limit to the size of a file"
        held["output"] = ""
        os.write(REPORT, json.dumps(held).encode())
    except BaseException as error:
        os.write(REPORT, f"{type(error).__name__}: {error}".encode())
    os._exit(0)


def _refused(what: str, attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except (OSError, MemoryError):
        return ""
    except Exception as error:
        return f"{what}: {type(error).__name__}: {error}"
    return f"{what} was not refused"


def _connect() -> None:
    with socket.socket() as there:
        there.connect(("127.0.0.1", 1))


def _list(home: str, reading: list[str]) -> None:
    """More than the way to Python's own files."""
    for name in os.listdir(home):  # noqa: PTH208
        inner = os.path.join(home, name)  # noqa: PTH118
        if not any(f"{path}/".startswith(f"{inner}/") or f"{inner}/".startswith(f"{path}/") for path in reading):
            return
    raise PermissionError(1, "nothing of it is there")


def _write(path: str) -> None:
    new = not os.path.exists(path)  # noqa: PTH110
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    if new:
        os.unlink(path)  # noqa: PTH108


def _read(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123
        file.read(1)


def _child(itself: int) -> None:
    pid = os.fork()
    if os.getpid() != itself:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
