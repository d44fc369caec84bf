"""What a program must not reach: files, processes and servers of a host, and whether they were."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

import hornbook
from hornbook.core.errors import UserError
from hornbook.sandbox.pool import Sandbox
from hornbook.sandbox.values import Limits, Program

SECRET = "HORNBOOK_SECRET"
"""Name of the environment variable that is planted."""
STAND_IN = "import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', sys.argv[1]])"
"""A parent for programs that turn against theirs."""


class Host:
    """Planted files, a process and servers; `touched` says what came of them."""

    def __init__(self, folder: Path, ended: ExitStack) -> None:
        self.folder = folder
        self.out, self.home, self.victim = folder / "out", folder / "home", folder / "own" / "victim"
        self.key = self.home / ".ssh" / "id_test"
        for path in (self.out, self.key.parent, self.victim.parent):
            path.mkdir(parents=True)
        self.out.chmod(0o777)
        self.kept = self.out.parent / "kept"
        self.kept.mkdir(mode=0o777)
        self.key.write_text("a key that nobody may read")
        self.mark = f"hornbook-mark-{os.getpid()}-{folder.name}"
        self._mend()
        self.canary = self._canary()
        ended.callback(self._end)
        self.tcp = self._listen(ended, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self.udp = self._listen(ended, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.unix = tempfile.mktemp(prefix="hornbook-", dir="/tmp")
        ended.callback(lambda: [Path(name).unlink(missing_ok=True) for name in (self.unix, f"{self.unix}.datagrams")])
        self.listening = [
            self.tcp,
            self.udp,
            self._listen(ended, socket.AF_UNIX, socket.SOCK_STREAM, self.unix),
            self._listen(ended, socket.AF_UNIX, socket.SOCK_DGRAM, f"{self.unix}.datagrams"),
            self._listen(ended, socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.mark}"),
        ]
        self.port6 = 0
        with suppress(OSError):
            self.listening.append(self._listen(ended, socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)))
            self.port6 = self.listening[-1].getsockname()[1]

    def names(self) -> str:
        """Lines that define what an attempt must know of the host."""
        package = Path(hornbook.__file__).parent
        known = {
            "HOST": "127.0.0.1",
            "PORT": self.tcp.getsockname()[1],
            "PORT6": self.port6,
            "UDP": self.udp.getsockname()[1],
            "UNIX": self.unix,
            "ABSTRACT": self.mark,
            "PLANTED": str(self.key),
            "HOME": str(self.home),
            "REAL_HOME": str(Path.home()),
            "OUT": str(self.out),
            "OUT_KEEP": str(self.kept),
            "VICTIM": str(self.victim),
            "CANARY": self.canary.pid,
            "PARENT": os.getpid(),
            "MARK": self.mark,
            "PACKAGE": str(package),
            "PREFIX": sysconfig.get_path("stdlib"),
            "TESTS": str(Path(__file__).resolve().parent),
            "SHELL": shutil.which("sh"),
        }
        return "".join(f"{name} = {value!r}\n" for name, value in known.items())

    def touched(self) -> list[str]:
        """What is not as it was since the last call; it is put right."""
        found = [f"connected to: {server.family.name}" for server in self.listening if _heard(server)]
        places = [self.out, self.home, Path.home(), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/etc")]
        places += [Path(hornbook.__file__).parent, Path(sysconfig.get_path("stdlib"))]
        for path in (place / self.mark for place in places):
            if os.path.lexists(path):
                found.append(f"written: {path}")
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in (*self.out.iterdir(), *self.kept.iterdir()):
            found.append(f"written: {path}")
            path.unlink()
        if self._seen() != self._as_made:
            found.append(f"changed: {self.victim}")
            self._mend()
        if self.canary.poll() is not None or self._canary_seen() != self._canary_as_made:
            found.append("hurt: a process")
            self._end()
            self.canary = self._canary()
        return found

    def _canary(self) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, start_new_session=True)
        process = psutil.Process(started.pid)
        self._canary_process = process
        self._canary_as_made = self._canary_seen()
        return started

    def _canary_seen(self) -> tuple[object, ...]:
        one = self._canary_process
        return one.cpu_affinity(), one.nice(), one.rlimit(psutil.RLIMIT_NOFILE), one.status() == psutil.STATUS_STOPPED

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.canary.pid, signal.SIGKILL)
        self.canary.wait()

    def _mend(self) -> None:
        for path in self.victim.parent.iterdir():
            path.unlink()
        self.victim.write_text("what a host has")
        self.victim.chmod(0o644)
        self._as_made = self._seen()

    def _seen(self) -> tuple[object, ...]:
        names = sorted(path.name for path in self.victim.parent.iterdir())
        if names != ["victim"]:
            return (names,)
        known = self.victim.stat()
        return (
            known.st_ino,
            known.st_mode,
            known.st_nlink,
            known.st_uid,
            known.st_mtime_ns,
            self.victim.read_text(),
            tuple(os.listxattr(self.victim)),
        )

    @staticmethod
    def _listen(ended: ExitStack, family: int, kind: int, address: object) -> socket.socket:
        server = ended.enter_context(socket.socket(family, kind))
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen(16)
        server.setblocking(False)
        return server


def _heard(server: socket.socket) -> bool:
    found = False
    with suppress(BlockingIOError):
        while True:
            if server.type == socket.SOCK_STREAM:
                server.accept()[0].close()
            else:
                server.recv(4096)
            found = True
    return found


@contextmanager
def walled(limits: Limits) -> Iterator[Sandbox]:
    """A sandbox with every wall; the test is skipped where the system has none, and fails where it should have them."""
    with Sandbox(limits) as sandbox:
        try:
            sandbox.run(Program(""))
        except UserError as error:
            if _namespaces():
                raise
            pytest.skip(f"the walls cannot be had here: {error.what[:200]}")
        yield sandbox


def _namespaces() -> bool:
    command = shutil.which("unshare")
    return bool(command) and not subprocess.run([command, "-Urnmp", "-f", "true"], check=False).returncode


@contextmanager
def host(folder: Path) -> Iterator[Host]:
    """A host for the time of a test."""
    with ExitStack() as ended:
        yield Host(folder, ended)


def family() -> set[tuple[int, float]]:
    """The processes that descend from this one, other than dead ones."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add((process.pid, process.create_time()))
    return found


def without_walls(text: str, folder: Path, parent: bool) -> tuple[str, int]:
    """Run one of our own attempts as a plain program: its output and exit code, or those of its stand-in parent."""
    script, place = folder / "attempt.py", folder / "place"
    place.mkdir()
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-I", "-S", *(["-c", STAND_IN] if parent else []), str(script)]
    run = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, SECRET: "planted"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        timeout=20,
        check=False,
    )
    shutil.rmtree(place)
    return run.stdout.decode(errors="replace"), run.returncode
