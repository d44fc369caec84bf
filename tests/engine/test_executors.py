"""Executors: the same results from all; stopped, they stop at once and leave no process and no traceback."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from hornbook.core.errors import HornbookError
from hornbook.engine.executors import Inline, Pool
from tests.commands import ROOT


def square(n: int) -> int:
    return n * n


def inverse(n: int) -> float:
    return 1 / n


def die(n: int) -> int:
    os._exit(9)


def sleep(n: int) -> int:
    time.sleep(n)
    return n


def test_a_pool_gives_what_inline_gives():
    items = list(range(23))
    with Pool(2) as pool:
        assert sorted(pool.map(square, items)) == list(Inline().map(square, items))
        assert list(pool.map(square, [])) == []
        assert list(pool.map(square, [3])) == [9]


def test_threads_give_what_inline_gives():
    items = list(range(23))
    with Pool(2) as pool:
        assert sorted(pool.map(square, items, threads=True)) == list(Inline().map(square, items, threads=True))
        assert not multiprocessing.active_children()
        with pytest.raises(ZeroDivisionError):
            list(pool.map(inverse, [1, 0, 2], threads=True))


def test_a_dead_worker_is_said():
    with pytest.raises(HornbookError, match="worker process died"), Pool(2) as pool:
        list(pool.map(die, [1, 2, 3]))


def test_a_failure_does_not_wait_for_work_that_is_lost_anyway():
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), Pool(2) as pool:
        assert [1 / n for n in pool.map(sleep, [0, 60, 60])]
    assert time.monotonic() - began < 30
    assert not multiprocessing.active_children()


SCRIPT = """
import sys
from hornbook.engine.executors import Pool
from tests.engine.test_executors import sleep
if __name__ == "__main__":
    try:
        with Pool(2) as pool:
            print("begun", flush=True)
            list(pool.map(sleep, [60, 60]))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3, 1.0])
def test_ctrl_c_while_workers_begin(tmp_path, delay):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    time.sleep(delay)
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert (child.returncode, errors) == (130, "")
