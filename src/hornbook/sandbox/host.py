"""One keeper, seen from the host: started, sent a program, asked what came of it, ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook.core.errors import UserError
from hornbook.sandbox.folders import empty
from hornbook.sandbox.messages import HEAD, REPLY
from hornbook.sandbox.namespaces import bubblewrap, needed
from hornbook.sandbox.values import Limits, Outcome, Program
from hornbook.sandbox.verdicts import Facts, outcome

START = 60.0
"""Seconds that a keeper may take to begin, on a machine under load. Ours."""

SLACK = 30.0
"""Seconds beyond the longest run after which a keeper that says nothing is ended. Ours."""

LARGEST = 1 << 20
"""Bytes of one part of a keeper's reply; it sends less. Ours."""


class Lost(Exception):
    """A keeper is gone, or does not keep to the form."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How keepers are started.

    Args:
        limits: of each run.
        packages: whether installed packages may be imported.
        way: None for the strongest there is, else `direct`, `bubblewrap` or `none`.
    """

    limits: Limits
    packages: bool = False
    way: str | None = None

    def ways(self) -> list[str]:
        """What to try, the strongest first."""
        if self.way is not None:
            return [self.way]
        return ["direct", "bubblewrap", "none"] if shutil.which("bwrap") else ["direct", "none"]


class Keeper:
    """
    Args:
        settings: of all keepers.
        seed: of its hash order.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self.patience = 10 * settings.limits.seconds + 5 + SLACK
        self.facts: dict[str, Any] = {}
        self._folder = ""
        if sys.platform != "linux":
            raise UserError(
                f"untrusted code is not run on {sys.platform}: no walls can be built there",
                fix="Linux, also in a virtual machine or a container",
            )
        refused: dict[str, str] = {}
        for way in settings.ways():
            self._start(way)
            refused = {**refused, **self.facts.get("refused", {})}
            self.facts["refused"] = refused
            if self.facts.get("trial") is not None or way == settings.ways()[-1]:
                break
            self.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, program: Program) -> None:
        """Send a program.

        Raises:
            Lost: nobody takes it.
        """
        fds = [_behind(program.text)]
        try:
            if program.checks:
                fds.append(_behind(program.checks))
            draw = (program.draw + (1 << 63)) % (1 << 64) - (1 << 63)
            socket.send_fds(self._socket, [HEAD.pack(draw, len(fds))], fds)
        except OSError as error:
            raise Lost(f"the keeper took no program: {error}") from None
        finally:
            for fd in fds:
                os.close(fd)

    def receive(self, checked: bool) -> Outcome:
        """What came of the program that was sent.

        Raises:
            Lost: the keeper ended, or said nothing for too long.
        """
        try:
            sizes = REPLY.unpack(self._read(REPLY.size))
            if max(sizes) > LARGEST:
                raise Lost("the keeper's reply is too long")
            whole = memoryview(self._read(sum(sizes)))
            parts, at = [], 0
            for size in sizes:
                parts.append(bytes(whole[at : at + size]))
                at += size
            facts, program, output, judge, more = parts
            return outcome(Facts(json.loads(facts), program, judge, output + more), checked=checked)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Lost(f"the keeper was lost: {type(error).__name__}: {error}") from None

    def close(self) -> None:
        """End it and all that it holds."""
        self._socket.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        if self._folder:
            with contextlib.suppress(OSError):
                empty(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def forget(self) -> None:
        """In a forked process: let go of what is another's."""
        self._socket.close()
        self._process.returncode = 0

    def _start(self, way: str) -> None:
        self._folder = "" if way != "none" else tempfile.mkdtemp(prefix="hornbook-run-")
        ours, theirs = socket.socketpair()
        packages = _packages() if self._settings.packages else []
        command, environment = _command(theirs.fileno(), self._seed, way, packages, self._settings.limits)
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
            )
        self._socket = ours
        settings = {
            "limits": asdict(self._settings.limits),
            "packages": packages,
            "warm": ["numpy"] if packages else [],
            "way": way,
            "folder": self._folder,
            "home": os.path.expanduser("~"),  # noqa: PTH111
        }
        try:
            ours.settimeout(START)
            ours.sendall(json.dumps(settings).encode() + b"\n")
            self.facts = json.loads(self._line())
        except (OSError, ValueError, Lost) as error:
            self.facts = {"refused": {f"start ({way})": f"the keeper did not begin: {self._last() or error}"}}
        ours.settimeout(self.patience)

    def _last(self) -> str:
        """The last line that it wrote to standard error."""
        assert self._process.stderr is not None
        self._process.kill()
        lines = self._process.stderr.read(1 << 16).decode("utf-8", "replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _read(self, size: int) -> bytes:
        data = bytearray(size)
        view, have = memoryview(data), 0
        while have < size:
            got = self._socket.recv_into(view[have:])
            if not got:
                raise Lost("the keeper ended")
            have += got
        return bytes(data)

    def _line(self) -> bytes:
        data = bytearray()
        while not data.endswith(b"\n"):
            part = self._socket.recv(65536)
            if not part:
                raise Lost("it ended")
            data += part
        return bytes(data)


def _command(fd: int, seed: int, way: str, packages: list[str], limits: Limits) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a keeper."""
    source = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {source!r}); from hornbook.sandbox.keeper import main; main({fd})"
    python = [getattr(sys, "_base_executable", sys.executable), "-s", "-S", "-P", "-B", "-X", "utf8", "-c", code]
    environment = {
        "PYTHONHASHSEED": str(seed), "HOME": "/sandbox", "TMPDIR": "/sandbox", "TZ": "UTC", "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8", "PATH": "", "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    if way != "bubblewrap":
        return python, environment
    reading = [*needed(packages), python[0], source]
    return [*bubblewrap(shutil.which("bwrap") or "bwrap", reading, limits.disk), *python], environment


def _packages() -> list[str]:
    """Folders of installed packages."""
    paths = sysconfig.get_paths()
    return sorted({path for path in (paths["purelib"], paths["platlib"]) if os.path.isdir(path)})  # noqa: PTH112


def _behind(text: str) -> int:
    """A descriptor of a file without a name that holds the text."""
    data = text.encode("utf-8", "surrogatepass")
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("text", os.MFD_CLOEXEC)
    else:
        fd, name = tempfile.mkstemp()
        os.unlink(name)  # noqa: PTH108
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    return fd
