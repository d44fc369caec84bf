"""Seccomp: which system calls a program may make, as a filter that the kernel runs before each.

Everything that is not named is refused with EPERM, calls younger than the list with ENOSYS, so that the C library
takes its older way. Source of the form: Documentation/userspace-api/seccomp_filter.rst; of the numbers: the tables of
the Linux kernel. Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import ctypes
import struct
from bisect import bisect_right

from hornbook.sandbox import libc

_TABLE = """
read 0 63|write 1 64|open 2 -|close 3 57|stat 4 -|fstat 5 80|lstat 6 -|poll 7 -|lseek 8 62|mmap 9 222
mprotect 10 226|munmap 11 215|brk 12 214|rt_sigaction 13 134|rt_sigprocmask 14 135|rt_sigreturn 15 139|pread64 17 67
pwrite64 18 68|readv 19 65|writev 20 66|access 21 -|pipe 22 -|select 23 -|sched_yield 24 124|mremap 25 216
msync 26 227|mincore 27 232|madvise 28 233|dup 32 23|dup2 33 -|pause 34 -|nanosleep 35 101|getitimer 36 102
alarm 37 -|setitimer 38 103|getpid 39 172|sendfile 40 71|sendto 44 206|recvfrom 45 207|shutdown 48 210|exit 60 93
wait4 61 260|uname 63 160|flock 73 32|fsync 74 82|fdatasync 75 83|ftruncate 77 46|getdents 78 -|getcwd 79 17
chdir 80 49|fchdir 81 50|rename 82 -|mkdir 83 -|rmdir 84 -|creat 85 -|link 86 -|unlink 87 -|symlink 88 -
readlink 89 -|umask 95 166|gettimeofday 96 169|getrlimit 97 163|getrusage 98 165|sysinfo 99 179|times 100 153
getuid 102 174|getgid 104 176|geteuid 107 175|getegid 108 177|getppid 110 173|getpgrp 111 -|getgroups 115 158
getresuid 118 148|getresgid 120 150|getpgid 121 155|getsid 124 156|rt_sigpending 127 136|rt_sigtimedwait 128 137
rt_sigsuspend 130 133|sigaltstack 131 132|statfs 137 43|fstatfs 138 44|setrlimit 160 164|gettid 186 178|time 201 -
futex 202 98|sched_getaffinity 204 123|epoll_create 213 -|getdents64 217 61|set_tid_address 218 96
restart_syscall 219 128|fadvise64 221 223|clock_gettime 228 113|clock_getres 229 114|clock_nanosleep 230 115
exit_group 231 94|epoll_wait 232 -|epoll_ctl 233 21|waitid 247 95|openat 257 56|mkdirat 258 34|newfstatat 262 79
unlinkat 263 35|renameat 264 38|linkat 265 37|symlinkat 266 36|readlinkat 267 78|faccessat 269 48|pselect6 270 72
ppoll 271 73|set_robust_list 273 99|epoll_pwait 281 22|timerfd_create 283 85|eventfd 284 -|fallocate 285 47
timerfd_settime 286 86|timerfd_gettime 287 87|eventfd2 290 19|epoll_create1 291 20|dup3 292 24|pipe2 293 59
preadv 295 69|pwritev 296 70|getcpu 309 168|renameat2 316 276|getrandom 318 278|membarrier 324 283
copy_file_range 326 285|preadv2 327 286|pwritev2 328 287|statx 332 291|rseq 334 293|close_range 436 436
faccessat2 439 439|epoll_pwait2 441 441
"""
_CHANGES = """
chmod 90 -|fchmod 91 52|fchmodat 268 53|utime 132 -|utimes 235 -|futimesat 261 -|utimensat 280 88|truncate 76 45
"""
"""Calls that change files which Landlock lets be read: allowed only where all files there are are the run's own."""

_UNSUPPORTED = """
setxattr 188 5|lsetxattr 189 6|fsetxattr 190 7|getxattr 191 8|lgetxattr 192 9|fgetxattr 193 10|listxattr 194 11
llistxattr 195 12|flistxattr 196 13|removexattr 197 14|lremovexattr 198 15|fremovexattr 199 16
"""
_AUDIT = (0xC000003E, 0xC00000B7)
_LAST = 441
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS, _ENOTSUP = _ERRNO | 1, _ERRNO | 38, _ERRNO | 95
_LOAD, _EQ, _GE, _SET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH = 0, 4
_CLONE_THREAD, _CLONE_NEW = 0x10000, 0x7E020080
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what the standard library asks of a file."""

_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
"""Duplicating, flags, locks, size of a pipe. F_SETOWN and F_SETSIG would send signals to others."""

_PRCTLS = (15, 16)
"""Setting and reading the name of a thread."""

_Step = tuple[int, int, int, int]


def _argument(n: int) -> int:
    return 16 + 8 * n


def _numbers(table: str, arch: int) -> dict[str, int]:
    entries = (entry.split() for line in table.split("\n") for entry in line.split("|") if entry.strip())
    return {row[0]: int(row[1 + arch]) for row in entries if row[1 + arch] != "-"}


def _among(argument: int, values: tuple[int, ...]) -> list[_Step]:
    """Allow if the low half of an argument is one of the values (all of which are below 2^31), else EPERM."""
    n = len(values)
    tests = [(_EQ, n - i, 0, value) for i, value in enumerate(values)]
    return [(_LOAD, 0, 0, _argument(argument)), *tests, (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]


def _special(arch: int, pid: int) -> dict[int, list[_Step]]:
    """Calls that depend on their arguments: number → steps that end in a verdict."""
    names = {
        "ioctl": (16, 29), "fcntl": (72, 25), "prctl": (157, 167), "clone": (56, 220), "clone3": (435, 435),
        "kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261), "socketpair": (53, 199),
    }  # fmt: skip
    thread: list[_Step] = [
        (_LOAD, 0, 0, _argument(0)),
        (_AND, 0, 0, _CLONE_THREAD | _CLONE_NEW),
        (_EQ, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    pair: list[_Step] = [
        (_LOAD, 0, 0, _argument(0)),
        (_EQ, 0, 4, 1),
        (_LOAD, 0, 0, _argument(1)),
        (_AND, 0, 0, 0xF),
        (_EQ, 0, 1, 1),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    rules = {
        "ioctl": _among(1, _IOCTLS),
        "fcntl": _among(1, _FCNTLS),
        "prctl": _among(0, _PRCTLS),
        "clone": thread,
        "clone3": [(_RETURN, 0, 0, _ENOSYS)],
        "kill": _among(0, (pid,)),
        "tgkill": _among(0, (pid,)),
        "prlimit64": _among(0, (0, pid)),
        "socketpair": pair,
    }
    return {names[name][arch]: steps for name, steps in rules.items()}


def _tree(starts: list[int], answers: list[list[_Step]], low: int, high: int) -> list[_Step]:
    """Steps that find in which of the ranges [starts[i], starts[i + 1]) the number is, by halving."""
    if high - low == 1:
        return answers[low]
    middle = (low + high) // 2
    left = _tree(starts, answers, low, middle)
    right = _tree(starts, answers, middle, high)
    if len(left) < 256:
        return [(_GE, len(left), 0, starts[middle]), *left, *right]
    return [(_GE, 0, 1, starts[middle]), (0x05, 0, 0, len(left)), *left, *right]


def program(arch: int, pid: int, *, own_files: bool) -> bytes:
    """The filter for a process, as the kernel takes it: 8 bytes a step.

    Args:
        arch: 0 for x86_64, 1 for aarch64.
        pid: the process, which may send signals to itself alone.
        own_files: whether all files that can be seen and changed are the run's own. Else calls that change a file's
            mode or times are answered as if they were done, and are not.
    """
    exact: dict[int, list[_Step]] = {n: [(_RETURN, 0, 0, _ALLOW)] for n in _numbers(_TABLE, arch).values()}
    change: list[_Step] = [(_RETURN, 0, 0, _ALLOW if own_files else _ERRNO)]
    for number in _numbers(_CHANGES, arch).values():
        exact[number] = change
    if not own_files:
        exact[_numbers(_CHANGES, arch)["truncate"]] = [(_RETURN, 0, 0, _EPERM)]
    exact |= {n: [(_RETURN, 0, 0, _ENOTSUP)] for n in _numbers(_UNSUPPORTED, arch).values()}
    exact |= _special(arch, pid)
    refuse: list[_Step] = [(_RETURN, 0, 0, _EPERM)]
    starts, answers = [0], [refuse]
    for number in range(_LAST + 1):
        answer = exact.get(number, refuse)
        if answer != answers[bisect_right(starts, number) - 1]:
            if starts[-1] == number:
                answers[-1] = answer
            else:
                starts.append(number)
                answers.append(answer)
    starts += [_LAST + 1, 0x40000000]
    answers += [[(_RETURN, 0, 0, _ENOSYS)], refuse]
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQ, 1, 0, _AUDIT[arch]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_tree(starts, answers, 0, len(starts)),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


class Filter:
    """The filter of all runs, built once; a run's own process number is put into its place.

    Args:
        own_files: see `program`.

    Raises:
        OSError: numbers of this processor's calls are not known.
    """

    def __init__(self, *, own_files: bool) -> None:
        arch = libc.architecture()
        if arch is None:
            raise OSError(38, "seccomp: the numbers of this processor's system calls are not known here")
        one, two = (program(arch, pid, own_files=own_files) for pid in (0x7F010101, 0x7EFEFEFE))
        self._steps = bytearray(one)
        self._places = [at + 4 for at in range(0, len(one), 8) if one[at : at + 8] != two[at : at + 8]]

    def load(self, pid: int) -> None:
        """This process, whose number is `pid`, is held by the filter from now on.

        Raises:
            OSError: the kernel refuses.
        """
        for place in self._places:
            struct.pack_into("<I", self._steps, place, pid)
        steps = (ctypes.c_char * len(self._steps)).from_buffer(self._steps)
        packed = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps) // 8, ctypes.addressof(steps)), 16)
        libc.syscall("seccomp", 1, 0, packed)
