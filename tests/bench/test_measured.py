"""What a command and all its descendants use is counted, also what outlives it; what does not end is ended."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import psutil
import pytest

from tests.commands import ROOT

BURN = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""


def measured(tmp_path, code, limit=60.0):
    script = tmp_path / "work.py"
    script.write_text(textwrap.dedent(BURN) + textwrap.dedent(code))
    command = [sys.executable, str(ROOT / "bench" / "measured.py"), str(limit)]
    command += [str(tmp_path / "out"), str(tmp_path / "err"), sys.executable, str(script)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def test_processor_time_of_the_whole_tree(tmp_path):
    found = measured(
        tmp_path,
        """
        import subprocess, sys
        burn(0.3)
        subprocess.run([sys.executable, "-c", open(__file__).read().split("import subprocess")[0] + "burn(0.4)"])
        """,
    )
    assert found["ended"]
    assert found["code"] == 0
    assert 0.7 <= found["user"] + found["system"] < 2.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_an_orphan_is_counted_and_not_left_behind(tmp_path):
    found = measured(
        tmp_path,
        """
        import subprocess, sys
        again = open(__file__).read().split("import subprocess")[0]
        child = subprocess.Popen([sys.executable, "-c", again + "burn(0.5)"])
        print(child.pid)
        """,
    )
    assert found["user"] + found["system"] >= 0.5
    assert not psutil.pid_exists(int((tmp_path / "out").read_text()))


def test_memory_of_the_whole_tree(tmp_path):
    found = measured(
        tmp_path,
        """
        import subprocess, sys
        mine = bytearray(b"x") * 60_000_000
        subprocess.run([sys.executable, "-c", "import time; a = bytearray(b'x') * 60_000_000; time.sleep(1)"])
        """,
    )
    least = 120e6 if sys.platform == "linux" else 60e6
    assert least < found["peak"] < 220e6


def test_what_does_not_end_is_ended_with_all_its_children(tmp_path):
    found = measured(
        tmp_path,
        """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
        time.sleep(60)
        """,
        limit=2.0,
    )
    assert not found["ended"]
    assert found["wall"] < 20
    assert not psutil.pid_exists(int((tmp_path / "out").read_text()))


def test_the_exit_code_is_told(tmp_path):
    assert measured(tmp_path, "raise SystemExit(3)")["code"] == 3
