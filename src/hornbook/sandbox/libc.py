"""Calls of the C library and the kernel that Python does not offer. Standard library alone: this runs in the walls."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

SIGKILL = 9
_ARCH = {"x86_64": 0, "amd64": 0, "aarch64": 1, "arm64": 1}.get(platform.machine().lower())
_NUMBERS = {
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "seccomp": (317, 277),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}
"""Numbers on x86_64 and aarch64 (Linux, arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

_c = ctypes.CDLL(None, use_errno=True)


def architecture() -> int | None:
    """0 on x86_64, 1 on aarch64, None elsewhere."""
    return _ARCH


def _done(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(name: str, *args: object) -> int:
    """A system call by name; numbers are passed as machine words.

    Raises:
        OSError: the kernel's error, or ENOSYS on a processor whose numbers are not known.
    """
    if _ARCH is None:
        raise OSError(38, f"{name}: not known on {platform.machine()}")
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _done(_c.syscall(ctypes.c_long(_NUMBERS[name][_ARCH]), *words), name)


def prctl(option: int, value: int = 0) -> None:
    """prctl with one value.

    Raises:
        OSError: the kernel's error.
    """
    zero = ctypes.c_ulong(0)
    _done(_c.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), "prctl")


def unshare(flags: int) -> None:
    """New namespaces for this process.

    Raises:
        OSError: the kernel's error.
    """
    _done(_c.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2).

    Raises:
        OSError: the kernel's error, with the target.
    """
    result = _c.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode() or None)
    _done(result, f"mount {target}")


def umount(target: str) -> None:
    """Take a mount away at once, whoever uses it.

    Raises:
        OSError: the kernel's error.
    """
    _done(_c.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def sethostname(name: bytes) -> None:
    """The name of this UTS namespace.

    Raises:
        OSError: the kernel's error.
    """
    _done(_c.sethostname(name, ctypes.c_size_t(len(name))), "sethostname")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and put the present one at `old`.

    Raises:
        OSError: the kernel's error.
    """
    syscall("pivot_root", new.encode(), old.encode())


def read_only(path: str) -> None:
    """Make a mount and all below it read-only, without set-user-id programs (mount_setattr; Linux 5.12).

    Raises:
        OSError: the kernel's error.
    """
    attributes = ctypes.create_string_buffer(struct.pack("<QQQQ", MS_RDONLY | MS_NOSUID, 0, 0, 0), 32)
    syscall("mount_setattr", -100, path.encode(), 0x8000, attributes, 32)


def drop_capabilities() -> None:
    """No capability is left, now or later.

    Raises:
        OSError: the kernel's error.
    """
    header = ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0), 8)
    syscall("capset", header, ctypes.create_string_buffer(24))


def drop_bounds() -> None:
    """Nothing that is executed could gain a capability again. Where this may not be said it is not needed either."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            return
