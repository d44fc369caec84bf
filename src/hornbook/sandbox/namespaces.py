"""A root of its own for the runs: namespaces of this process, and in them only what Python needs, to be read.

Three ways: as an ordinary user or root in a new user namespace; as a root that may not make one, without it; inside
bubblewrap, which has built the same before this process began. The order of the steps is bubblewrap's
(bubblewrap.c, setup_newroot). Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field

from hornbook.sandbox import libc

NOBODY = 65534
"""The user that programs run as, inside, and outside too where this process may choose."""

FOLDER = "/sandbox"
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")
_OTHERS = libc.CLONE_NEWNET | libc.CLONE_NEWIPC | libc.CLONE_NEWUTS | libc.CLONE_NEWNS | libc.CLONE_NEWPID
_SYSTEM = (
    "/lib",
    "/lib64",
    "/lib32",
    "/usr/lib",
    "/usr/lib64",
    "/nix/store",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
)


@dataclass(slots=True)
class Place:
    """Where runs happen, and what was refused on the way.

    Args:
        way: user, root, bubblewrap, or none: how the namespaces came to be.
        folder: of the run; on a tmpfs of limited size where there are namespaces.
        proc: descriptor of a /proc in which this process sees its children; -1 where there is none.
        ours: whether that /proc counts processes as this process does.
        switch: whether runs become another user than this process is.
        refused: what could not be had: the step and the kernel's error.
    """

    way: str = "none"
    folder: str = ""
    proc: int = -1
    ours: bool = True
    switch: bool = False
    refused: dict[str, str] = field(default_factory=dict)


def needed(packages: list[str]) -> list[str]:
    """Files and folders to be read: standard library, system libraries, and these packages; existing ones alone."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    prefix = [os.path.join(sys.base_exec_prefix, "lib")] if sys.base_exec_prefix != "/usr" else []  # noqa: PTH118
    dynamic = [path for path in sys.path if path.endswith("lib-dynload")]
    wanted = [*_SYSTEM, *prefix, library, *dynamic, *_mapped(), *packages]
    there = sorted({path for path in wanted if os.path.exists(path)})  # noqa: PTH110
    return [path for path in there if not any(path.startswith(other + "/") for other in there)]


def _mapped() -> list[str]:
    """Folders of the libraries that this process has loaded."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            files = {line.split(None, 5)[5].strip() for line in lines if len(line.split(None, 5)) == 6}
    except OSError:
        return []
    return sorted({os.path.dirname(path) for path in files if path.startswith("/") and ".so" in path})  # noqa: PTH120


def leave(place: Place) -> None:
    """New namespaces for this process and its children to come; says in `place` what is refused."""
    uid, gid = os.geteuid(), os.getegid()
    ready, asked = os.pipe(), os.pipe()
    helper = os.fork() if uid == 0 else 0
    if uid == 0 and helper == 0:
        _map_from_outside(asked[0], ready[1])
    try:
        libc.unshare(libc.CLONE_NEWUSER | _OTHERS)
        place.way = "user"
    except OSError as error:
        place.refused["user namespace"] = str(error)
    if uid == 0:
        os.write(asked[1], b"m" if place.way == "user" else b"n")
        place.switch = os.read(ready[0], 1) == b"y"
        os.waitpid(helper, 0)
    for fd in (*ready, *asked):
        os.close(fd)
    if place.way == "user" and not place.switch:
        _map_self(uid, gid)
    if place.way == "none" and uid == 0:
        try:
            libc.unshare(_OTHERS)
            place.way, place.switch = "root", True
        except OSError as error:
            place.refused["namespaces"] = str(error)


def _map_from_outside(asked: int, ready: int) -> None:
    """As a real root: let user 0 and nobody inside be user 0 and nobody outside."""
    try:
        if os.read(asked, 1) == b"m":
            parent = os.getppid()
            for name in ("uid_map", "gid_map"):
                _write(f"/proc/{parent}/{name}", f"0 0 1\n{NOBODY} {NOBODY} 1\n")
            os.write(ready, b"y")
        else:
            os.write(ready, b"n")
    except OSError:
        os.write(ready, b"n")
    finally:
        os._exit(0)


def _map_self(uid: int, gid: int) -> None:
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def become_first() -> None:
    """Go on as the first process of the new process namespace; this one waits for it, and dies with it."""
    parent, child = os.getpid(), os.fork()
    if child:
        os.closerange(0, 64)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            try:
                _, status = os.waitpid(child, 0)
                os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
            except InterruptedError:
                continue
    libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
    if os.getppid() not in (0, parent):
        os._exit(1)


def build(place: Place, reading: list[str], megabytes: int, files: int) -> None:
    """The new root: read-only binds, an empty home, a tmpfs for the run.

    Raises:
        OSError: a mount was refused.
    """
    libc.sethostname(b"sandbox")
    libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
    host = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if os.path.isdir("/proc/self") else -1  # noqa: PTH112
    libc.mount("tmpfs", "/tmp", "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "size=1m,mode=755")
    os.mkdir("/tmp/old")  # noqa: PTH102
    libc.pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    for path in reading:
        _bind(path)
    for path in DEVICES:
        _device(path)
    for path in ("/home", "/root", "/tmp", "/proc", FOLDER):
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    place.proc, place.ours = _processes(host)
    libc.umount("/old")
    os.rmdir("/old")  # noqa: PTH106
    fresh(megabytes, files)
    libc.mount("none", "/", "", libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)
    place.folder = FOLDER


def _processes(host: int) -> tuple[int, bool]:
    """A /proc of the new process namespace; where it may not be mounted the host's. Programs are given neither."""
    try:
        libc.mount("proc", "/proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    except OSError:
        return host, False
    own = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    libc.umount("/proc")
    if host >= 0:
        os.close(host)
    return own, True


def _bind(path: str) -> None:
    old = "/old" + path
    if os.path.islink(path.rstrip("/")):  # noqa: PTH114
        return
    if os.path.islink(old):  # noqa: PTH114
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        target = os.readlink(old)  # noqa: PTH115
        os.symlink(target, path)  # noqa: PTH211
        return
    if os.path.isdir(old):  # noqa: PTH112
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o444))
    libc.mount(old, path, "", libc.MS_BIND | libc.MS_REC)
    try:
        libc.read_only(path)
    except OSError:
        libc.mount("none", path, "", _kept(path) | libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | libc.MS_NOSUID)


def _kept(path: str) -> int:
    """Flags of a mount that a remount in a user namespace has to repeat (they have the same values in statvfs)."""
    return os.statvfs(path).f_flag & (libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC | 1024 | 2048)


def _device(path: str) -> None:
    if not os.path.exists("/old" + path):  # noqa: PTH110
        return
    os.makedirs("/dev", exist_ok=True)  # noqa: PTH103
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    libc.mount("/old" + path, path, "", libc.MS_BIND)


def fresh(megabytes: int, files: int) -> None:
    """An empty tmpfs as the run's folder: so many MB, so many files (its own root is one more).

    Raises:
        OSError: the mount was refused.
    """
    limits = f"size={megabytes}m,nr_inodes={files + 1},mode=777"
    libc.mount("tmpfs", FOLDER, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC, limits)


def bubblewrap(program: str, reading: list[str], megabytes: int) -> list[str]:
    """Command line before that of the interpreter, with which bubblewrap builds the same place."""
    words = [program, "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "sandbox"]
    words += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL", "--proc", "/proc"]
    for path in reading:
        if os.path.islink(path):  # noqa: PTH114
            words += ["--symlink", os.readlink(path), path]  # noqa: PTH115
        else:
            words += ["--ro-bind", path, path]
    for path in DEVICES:
        words += ["--dev-bind-try", path, path]
    for path in ("/home", "/root", "/tmp"):
        words += ["--dir", path]
    return [*words, "--size", str(megabytes << 20), "--tmpfs", FOLDER, "--remount-ro", "/", "--chdir", FOLDER]
