"""A warm interpreter behind walls, from which each run is forked. Begun by `pool`, one a worker.

It reads its settings and then runs from one socket. A run comes as a few numbers and descriptors of its texts, which
this process never reads; what came of it goes back as one message. Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import json
import os
import shutil
import signal
import socket
import sys
from importlib import import_module
from typing import Any

from hornbook.sandbox import landlock, libc, namespaces
from hornbook.sandbox.clock import Clock
from hornbook.sandbox.entering import SHARED, Walls, limit_keeper, report
from hornbook.sandbox.folders import empty
from hornbook.sandbox.messages import HEAD, REPLY
from hornbook.sandbox.namespaces import Place
from hornbook.sandbox.running import Runner
from hornbook.sandbox.seccomp import Filter
from hornbook.sandbox.trial import trial, tried
from hornbook.sandbox.values import Limits
from hornbook.sandbox.warming import practise

WARM = (
    "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "linecache", "math",
    "operator", "random", "re", "statistics", "string", "tempfile", "textwrap", "threading", "time", "traceback",
    "types", "typing", "uuid", "warnings", "weakref",
)  # fmt: skip
"""Modules of the standard library that programs of exercises import most; each is there before they begin."""


def main(fd: int) -> None:
    """Be a keeper for whoever has the other end of this socket."""
    fd = _above(fd)
    settings = json.loads(_line(fd))
    place = Place()
    try:
        _begin(fd, settings, place)
    except Exception as error:
        place.refused.setdefault("start", f"{type(error).__name__}: {error}")
        _tell(fd, {"refused": place.refused, "way": place.way, "trial": None})


def _begin(fd: int, settings: dict[str, Any], place: Place) -> None:
    limits = Limits(**settings["limits"])
    os.umask(0o022)
    for name in (*WARM, *settings["warm"]):
        with contextlib.suppress(ImportError):
            import_module(name)
    sys.path[:] = [*sys.path[1:], *settings["packages"]]
    _builtins()
    clock = Clock(os.open("/proc", os.O_RDONLY) if os.path.isdir("/proc/self") else -1, ours=True)  # noqa: PTH112
    space, data = clock.size()
    reading = namespaces.needed(settings["packages"])
    _place(settings, place, reading, limits)
    walls = Walls(limits, place.folder, switch=place.switch, space=space, data=data)
    walls.shared = SHARED if not settings["packages"] else 1 << 30
    if place.way != "none":
        os.close(clock.proc)
        clock = Clock(place.proc, place.ours)
    _lock(walls, place, reading)
    watch = _watched(place, walls)
    limit_keeper(limits)
    runner = Runner(walls, clock, fd, watch)
    practise(report)
    gc.collect()
    gc.freeze()
    gc.disable()
    found = trial(walls, place, settings["home"], reading)
    _tell(fd, {**found, "way": place.way, "refused": place.refused, "watch": sorted(watch)})
    _keep(fd, runner, place)


def _above(fd: int) -> int:
    """The same socket above the descriptors that a run's process has; these are taken, so that none else gets them."""
    higher = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    taken = os.open("/dev/null", os.O_RDWR)
    while taken < 9:
        taken = os.dup(taken)
    return higher


def _builtins() -> None:
    """What `site` adds for people who type: `exit`, `quit`, `help`."""
    import site

    site.setquit()
    site.sethelper()


def _place(settings: dict[str, Any], place: Place, reading: list[str], limits: Limits) -> None:
    if settings["way"] == "bubblewrap":
        place.way, place.folder = "bubblewrap", namespaces.FOLDER
        place.proc = os.open("/proc", os.O_RDONLY)
        return
    if settings["way"] == "none":
        place.folder, place.switch = settings["folder"], os.geteuid() == 0
        os.environ["HOME"] = os.environ["TMPDIR"] = place.folder
        os.chmod(place.folder, 0o777 if place.switch else 0o700)  # noqa: PTH101
        return
    namespaces.leave(place)
    if place.way == "none":
        raise OSError(1, "no namespaces can be made")
    namespaces.become_first()
    namespaces.build(place, reading, limits.disk, limits.files)


def _lock(walls: Walls, place: Place, reading: list[str]) -> None:
    """Landlock and seccomp, made ready once."""
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    libc.drop_bounds()
    try:
        rules = landlock.ruleset([*reading, *namespaces.DEVICES], [place.folder, "/dev/null"])
        tried(lambda: landlock.restrict(rules))
        walls.rules = rules
    except OSError as error:
        place.refused["Landlock"] = str(error)
    try:
        chosen = Filter(own_files=place.way != "none")
        tried(lambda: chosen.load(os.getpid()))
        walls.filter = chosen
    except OSError as error:
        place.refused["seccomp"] = str(error)


def _watched(place: Place, walls: Walls) -> frozenset[str]:
    """What no limit of the kernel's counts here, so that the keeper must."""
    counted = place.way == "user" and (place.switch or os.getuid() != 0)
    if counted:
        walls.threads = walls.limits.threads + (1 if place.switch else 3)
    watch = set() if counted else {"threads"}
    if place.way not in ("user", "root"):
        watch.add("files")
    return frozenset(watch)


def _keep(fd: int, runner: Runner, place: Place) -> None:
    with socket.socket(fileno=fd) as host:
        while True:
            message = _receive(host)
            if message is None:
                break
            draw, texts = message
            try:
                facts = runner.run(draw, texts[0], texts[1] if len(texts) > 1 else -1)
            finally:
                for text in texts:
                    os.close(text)
            _clean(runner, place)
            if facts["stopped"] == "abandoned":
                break
            _reply(host, facts, runner)
            runner.wipe()
    if place.way == "none":
        shutil.rmtree(place.folder, ignore_errors=True)


def _receive(host: socket.socket) -> tuple[int, list[int]] | None:
    """The next run, or None where the host has gone."""
    try:
        data, extra, _, _ = host.recvmsg(HEAD.size, socket.CMSG_SPACE(2 * 4))
    except OSError:
        return None
    fds = array.array("i")
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % 4])
    if len(data) < HEAD.size or not fds:
        return None
    return HEAD.unpack(data)[0], list(fds)


def _reply(host: socket.socket, facts: dict[str, Any], runner: Runner) -> None:
    body = json.dumps(facts).encode()
    buffers = [part for each in (runner.program, runner.judge) for part in (each.said, each.out)]
    views = [buffer.view[: buffer.have] for buffer in buffers]
    head = REPLY.pack(len(body), *(len(view) for view in views))
    left = sum(map(len, views)) + len(head) + len(body)
    sent = host.sendmsg([head, body, *views])
    for view in [memoryview(head), memoryview(body), *views]:
        if sent >= len(view):
            sent -= len(view)
        elif left:
            host.sendall(view[sent:])
            sent = 0


def _clean(runner: Runner, place: Place) -> None:
    """Nothing of the run is left: no process, no file."""
    if place.way in ("user", "root"):
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    mode = 0o777 if place.way in ("user", "root") or place.switch else 0o700
    os.chmod(place.folder, mode)  # noqa: PTH101
    if not os.listdir(place.folder):  # noqa: PTH208
        return
    empty(place.folder)
    if place.way in ("user", "root") and os.listdir(place.folder):  # noqa: PTH208
        libc.umount(namespaces.FOLDER)
        namespaces.fresh(runner.walls.limits.disk, runner.walls.limits.files)


def _line(fd: int) -> bytes:
    """The first message: settings, which end with a newline; nothing is read beyond them."""
    data = bytearray()
    while not data.endswith(b"\n"):
        part = os.read(fd, 1)
        if not part:
            sys.exit(1)
        data += part
    return bytes(data)


def _tell(fd: int, facts: dict[str, Any]) -> None:
    body = json.dumps(facts).encode() + b"\n"
    with contextlib.suppress(OSError):
        while body:
            body = body[os.write(fd, body) :]
