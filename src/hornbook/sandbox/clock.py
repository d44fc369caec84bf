"""How long a process waited for a processor, so that a busy machine does not count against it.

Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat: the second number is nanoseconds spent waiting
on a run queue. Standard library alone: this runs in the walls.
"""

from __future__ import annotations

import os


class Clock:
    """
    Args:
        proc: descriptor of a /proc; -1 for none.
        ours: whether process numbers are the same there as here.
    """

    def __init__(self, proc: int, ours: bool) -> None:
        self.proc = proc
        self.ours = ours

    def waited(self, pid: int) -> float:
        """Seconds that a child, also one that has ended and is not yet reaped, waited; 0.0 where that is not known."""
        name = str(pid) if self.ours else self._there(pid)
        text = self._read(f"{name}/schedstat") if name else b""
        try:
            return int(text.split()[1]) / 1e9
        except (IndexError, ValueError):
            return 0.0

    def look(self, pid: int) -> tuple[bytes, bytes]:
        """Whether a child is ready to run (`R`), and its counts: these stand still while it waits for a processor.

        Waiting is added to the counts only when it ends.
        """
        name = str(pid) if self.ours else self._there(pid)
        if not name:
            return b"", b""
        state = self._read(f"{name}/stat").rpartition(b") ")[2][:1]
        return state, self._read(f"{name}/schedstat")

    def threads(self, pid: int) -> int:
        """Threads of a child; 0 where that is not known."""
        name = str(pid) if self.ours else self._there(pid)
        text = self._read(f"{name}/status") if name else b""
        try:
            return int(text.split(b"\nThreads:", 1)[1].split(None, 1)[0])
        except (IndexError, ValueError):
            return 0

    def size(self) -> tuple[int, int]:
        """Bytes of this process's address space, and of its private memory that can be written; zeros if unknown."""
        words = self._read("self/statm").split()
        page = os.sysconf("SC_PAGE_SIZE")
        return (int(words[0]) * page, int(words[5]) * page) if len(words) > 5 else (0, 0)

    def _there(self, pid: int) -> str:
        """A child's number in a /proc that counts otherwise, found among this process's children."""
        try:
            for name in self._read("thread-self/children").split():
                status = self._read(f"{name.decode()}/status")
                numbers = status.split(b"\nNSpid:", 1)[1].split(b"\n", 1)[0].split()
                if int(numbers[-1]) == pid:
                    return name.decode()
        except (IndexError, ValueError):
            pass
        return ""

    def _read(self, path: str) -> bytes:
        if self.proc < 0:
            return b""
        try:
            fd = os.open(path, os.O_RDONLY, dir_fd=self.proc)
        except OSError:
            return b""
        try:
            return os.read(fd, 8192)
        except OSError:
            return b""
        finally:
            os.close(fd)
