"""What stands after `hornbook step STAGE`: files, and knobs of any length."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.cli.step import _sort


def test_what_exists_is_an_input_and_the_rest_are_knobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n=1.jsonl").write_text("", encoding="utf-8")
    long = [f"package-{n}" for n in range(500)]
    inputs, knobs = _sort(("n=1.jsonl", "b.jsonl", "count=3", f"packages={long}"))
    assert inputs == ["n=1.jsonl", "b.jsonl"]
    assert knobs == {"count": 3, "packages": long}
