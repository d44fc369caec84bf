"""The limit: a warm process forks, its child runs the text, it is waited for; nothing else, and no walls.

`python run_limit.py PROBLEMS SAMPLES RESULTS WORKERS`: so many processes fork, each its share of the completions.
"""

from __future__ import annotations

import os
import sys
import time
import typing

from files import parts, tell

WARM = typing
"""What the solutions import, before they do."""


def main(problems: str, samples: str, results: str, workers: int) -> None:
    """Run them all; nobody asks how they ended."""
    began = time.perf_counter()
    texts = ["\n".join(each) for each in parts(problems, samples)]
    pids = [_forked(lambda number=number: _each(texts[number::workers])) for number in range(workers)]
    for pid in pids:
        os.waitpid(pid, 0)
    tell(time.perf_counter() - began)


def _each(texts: list[str]) -> None:
    for text in texts:
        os.waitpid(_forked(lambda text=text: _run(text)), 0)


def _run(text: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    exec(compile(text, "text", "exec"), {"__name__": "__main__"})


def _forked(work: typing.Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
