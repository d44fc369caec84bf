"""Which walls stand here, by what they stand, and what to do where one does not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from hornbook.core.errors import UserError
from hornbook.sandbox.values import Wall

WALLS: tuple[Wall, ...] = get_args(Wall)

MECHANISMS: dict[Wall, tuple[tuple[str, str], ...]] = {
    "network": (
        ("seccomp", "no socket can be made"),
        ("network namespace", "there is no network to be reached"),
    ),
    "files": (
        ("mount namespace", "all but the run's folder is mounted read-only"),
        ("Landlock", "only the run's folder may be written"),
    ),
    "secrets": (
        ("mount namespace", "there is no home, no /proc, nothing but Python"),
        ("Landlock", "only Python's files may be opened"),
    ),
    "processes": (("seccomp", "fork, vfork, clone and execve are refused"),),
    "signals": (
        ("seccomp", "a process may signal itself alone"),
        ("Landlock scopes", "signals stay within the run"),
    ),
    "kernel": (("seccomp", "all system calls but those that Python needs are refused"),),
    "memory": (("resource limits", "RLIMIT_DATA and RLIMIT_AS"),),
    "time": (("keeper", "a run is ended when its time is up, RLIMIT_CPU behind it"),),
    "output": (("keeper", "output is counted as it comes"),),
    "disk": (
        ("tmpfs", "the run's folder is a filesystem of limited size"),
        ("keeper", "files are counted every 20 ms, RLIMIT_FSIZE behind it"),
    ),
}
"""What makes each wall stand: any one does, all that are there are used."""

FIXES: dict[str, str] = {
    "seccomp": "a Linux kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64; in a container, a runtime that lets "
    "programs add filters (Docker and Podman do by default)",
    "mount namespace": "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, "
    "on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0), or install bubblewrap; in Docker "
    "--security-opt seccomp=unconfined",
    "Landlock": "Linux 5.13 or later with landlock in the kernel's lsm= list; in a container, a runtime whose seccomp "
    "profile lets landlock_* through",
    "resource limits": "a system with setrlimit",
    "keeper": "a POSIX system",
}
_FIX_OF: dict[Wall, tuple[str, ...]] = {
    "network": ("seccomp",), "files": ("mount namespace", "Landlock"), "secrets": ("mount namespace", "Landlock"),
    "processes": ("seccomp",), "signals": ("seccomp",), "kernel": ("seccomp",), "memory": ("resource limits",),
    "time": ("keeper",), "output": ("keeper",), "disk": ("keeper",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """One wall, here.

    Args:
        wall: which.
        stands: whether it was tried and held, and something is known that makes it hold.
        by: what makes it stand.
        why: why it does not.
        fix: what to do about that.
    """

    wall: Wall
    stands: bool
    by: tuple[str, ...] = ()
    why: str = ""
    fix: str = ""


def standing(facts: dict[str, Any]) -> list[Standing]:
    """All walls, from what a keeper found when it began."""
    refused = facts.get("refused") or {}
    because = "; ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
    tried = facts.get("trial")
    here = set(facts.get("mechanisms") or ())
    found = []
    for wall in WALLS:
        by = tuple(name for name, _ in MECHANISMS[wall] if name in here)
        failed = because or "nothing could be tried" if tried is None else tried.get(wall, "was not tried")
        if by and tried is not None and not failed:
            found.append(Standing(wall, True, by))
            continue
        why = failed if by else f"no {' or '.join(name for name, _ in MECHANISMS[wall])}"
        why = f"{why} ({because})" if because and because not in why else why
        found.append(Standing(wall, False, (), why, "; or ".join(FIXES[name] for name in _FIX_OF[wall])))
    return found


def demand(require: Collection[Wall], facts: dict[str, Any]) -> None:
    """Refuse to run anything where a required wall does not stand.

    Raises:
        UserError: which, why, and how to get it.
    """
    gone = [wall for wall in standing(facts) if wall.wall in require and not wall.stands]
    if not gone:
        return
    raise UserError(
        f"untrusted code is not run here: {', '.join(wall.wall for wall in gone)} cannot be held",
        where="; ".join(dict.fromkeys(wall.why for wall in gone)),
        fix="; ".join(dict.fromkeys(wall.fix for wall in gone)) + ". `hornbook doctor` says which walls stand",
    )
