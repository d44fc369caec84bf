"""What a run was for: its last documents, but those that were made to measure it."""

from __future__ import annotations

from pathlib import Path

from hornbook.core.stage import Artifact
from hornbook.store.artifacts import aside, product


def step(name: str, stage: str, kind: str, *inputs: str) -> Artifact:
    manifest = {"kind": kind, "inputs": list(inputs), "output": name}
    return Artifact(name, stage, "documents", Path(name), manifest)


WRITTEN = step("written", "generate.complete", "ask", "prompts")
GROUNDED = step("grounded", "evaluate.grounding", "each", "written")
DRAWN = step("drawn", "evaluate.draw", "source", "grounded")
JUDGED = step("judged", "evaluate.judge", "ask", "drawn")


def test_what_only_marks_and_drops_goes_on_being_the_product() -> None:
    assert product([WRITTEN, GROUNDED]) is GROUNDED


def test_what_was_drawn_for_a_judge_and_all_that_follows_is_aside() -> None:
    done = [WRITTEN, GROUNDED, DRAWN, JUDGED]
    assert aside(done) == {Path("drawn"), Path("judged")}
    assert product(done) is GROUNDED


def test_an_exam_alone_is_its_own_product() -> None:
    assert product([DRAWN, JUDGED]) is JUDGED
    assert product([]) is None
