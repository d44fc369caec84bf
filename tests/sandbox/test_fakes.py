"""No trick turns a fail into a pass, and honest programs pass whatever they are made of."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hornbook.sandbox.values import Limits, Program
from tests.sandbox.fakes import Case, fakes, honest
from tests.sandbox.host import walled

FAKES, HONEST = fakes(), honest()
RIGHT = [case for case in FAKES if case.right]
FOOLING = [case for case in FAKES if case.fools]


def _name(case: Case) -> str:
    return case.name.replace(": ", "-").replace(" ", "_")


@pytest.fixture(scope="module")
def sandbox():
    with walled(Limits(seconds=2.0)) as found:
        yield found


@pytest.mark.parametrize("case", FAKES, ids=_name)
def test_a_fail_stays_a_fail(case, sandbox):
    outcome = sandbox.run(Program(case.text, case.checks))
    assert outcome.verdict != "pass", outcome


@pytest.mark.parametrize("case", RIGHT, ids=_name)
def test_what_is_right_passes_the_same_checks(case, sandbox):
    outcome = sandbox.run(Program(case.right, case.checks))
    assert outcome.verdict == "pass", outcome


@pytest.mark.parametrize("case", HONEST, ids=_name)
def test_what_is_honest_passes(case, sandbox):
    outcome = sandbox.run(Program(case.text, case.checks))
    assert outcome.verdict == "pass", outcome


@pytest.mark.parametrize("case", FOOLING, ids=_name)
def test_the_trick_works_where_program_and_checks_are_one(case, tmp_path):
    script = tmp_path / "together.py"
    script.write_text(f"{case.text}\n{case.checks}\n", encoding="utf-8")
    run = subprocess.run([sys.executable, "-I", "-S", str(script)], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.parametrize("case", HONEST, ids=_name)
def test_honest_ones_are(case, tmp_path):
    script = tmp_path / "together.py"
    script.write_text(f"{case.text}\n{case.checks}\n", encoding="utf-8")
    run = subprocess.run([sys.executable, "-I", str(script)], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()


def test_there_are_enough():
    assert len(FAKES) >= 80
    assert len(FOOLING) >= 50
    assert len(HONEST) >= 40
    assert len({case.name for case in (*FAKES, *HONEST)}) == len(FAKES) + len(HONEST)
