"""The red team: nothing gets out of the walls, and each attempt would have got out without them."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from hornbook.sandbox.values import Limits, Program
from tests.sandbox import escapes
from tests.sandbox.host import SECRET, Host, family, host, walled, without_walls

ATTEMPTS = escapes.attempts()
CONTROLLED = [attempt for attempt in ATTEMPTS if attempt.control != "never"]
SURE = [attempt for attempt in CONTROLLED if attempt.control != "may"]
NEXT = Program("""
import os
found = os.listdir('.')
for folder in ('/tmp', '/dev/shm', '/home', '/root'):
    try:
        found += os.listdir(folder)
    except OSError:
        pass
print(found)
""")
"""What comes after an attempt: it must find nothing of it."""


def _name(attempt: escapes.Attempt) -> str:
    return attempt.name.replace(": ", "-").replace(" ", "_")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    with host(tmp_path_factory.mktemp("host")) as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, "planted")
        yield found


@pytest.fixture(scope="module")
def usual(planted):
    with walled(Limits(seconds=2.0, memory=128, output=1 << 18, disk=8, files=64, threads=8)) as found:
        yield found


@pytest.fixture(scope="module")
def brief(planted):
    with walled(Limits(seconds=0.2, memory=128, output=1 << 18, disk=8, files=64, threads=8)) as found:
        yield found


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=_name)
def test_behind_walls_nothing_is_reached_changed_or_left(attempt, planted: Host, request):
    sandbox = request.getfixturevalue("brief" if attempt.brief else "usual")
    names = "" if attempt.name.startswith("end") and "PACKAGE" not in attempt.text else planted.names()
    there = family()
    began = time.monotonic()
    outcome = sandbox.run(Program(names + attempt.text, attempt.checks))
    took = time.monotonic() - began
    assert "REACHED" not in outcome.output
    assert planted.touched() == []
    assert outcome.verdict in attempt.held, outcome
    assert attempt.says in outcome.output, "it did not come as far as trying"
    assert took < 15, "generous: the wall of time stands on a busy machine too"
    after = sandbox.run(NEXT)
    assert (after.verdict, after.output) == ("pass", "[]\n"), "the next run finds nothing of it"
    assert _settled(there) == there, "nothing is left running, and the keeper still is"


def test_standard_input_keeps_nothing_for_the_next_run(usual):
    look = "import fcntl, os\nprint(fcntl.fcntl(0, fcntl.F_GETFL))\n"
    leave = "fcntl.fcntl(0, fcntl.F_SETFL, os.O_APPEND)\nfcntl.flock(0, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    first, second = usual.run(Program(look + leave)), usual.run(Program(look + leave))
    assert (first.verdict, second.verdict) == ("pass", "pass"), (first, second)
    assert first.output == second.output


@pytest.mark.parametrize("attempt", SURE, ids=_name)
def test_without_walls_it_works(attempt, planted: Host, tmp_path):
    worked, output = _worked(attempt, planted, tmp_path)
    assert worked, output


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [attempt for attempt in CONTROLLED if attempt.control == "may"], ids=_name)
def test_without_walls_it_works_where_the_system_has_what_it_needs(attempt, planted: Host, tmp_path):
    worked, output = _worked(attempt, planted, tmp_path)
    if not worked:
        pytest.skip(f"this system refuses it by itself: {output.strip().splitlines()[-1:]}")


def _worked(attempt: escapes.Attempt, planted: Host, folder: Path) -> tuple[bool, str]:
    output, code = without_walls(planted.names() + attempt.text, folder, attempt.control == "family")
    return "REACHED" in output or bool(planted.touched()) or (attempt.control == "family" and code < 0), output


def test_there_are_enough_of_every_kind_and_most_are_proven():
    kinds = Counter(attempt.theme for attempt in ATTEMPTS)
    assert len(ATTEMPTS) >= 200
    assert min(kinds.values()) >= 9
    assert len(CONTROLLED) >= 150
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)


def _settled(there: set[tuple[int, float]]) -> set[tuple[int, float]]:
    until = time.monotonic() + 3
    while (now := family()) != there and time.monotonic() < until:
        time.sleep(0.01)
    return now
