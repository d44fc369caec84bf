"""A step's key: what must change it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hornbook.core.stage import Stage
from hornbook.engine.finding import find_stage, stage_names
from hornbook.engine.keys import keys_of


class Shipped(Stage):
    """A stage that comes with a file."""

    file: str

    def rests_on(self) -> Sequence[Path]:
        return [Path(self.file)]


def test_a_changed_file_of_the_stage_s_own_changes_both_keys(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("one", encoding="utf-8")
    stage = Shipped(file=str(path))
    before, again = keys_of("x.y", stage, []), keys_of("x.y", stage, [])
    assert before == again
    path.write_text("two", encoding="utf-8")
    after = keys_of("x.y", stage, [])
    assert before.step != after.step
    assert before.marks != after.marks


def test_prompts_by_templates_rest_on_them() -> None:
    templates = Path(__file__).parents[2] / "src" / "hornbook" / "stages" / "prompts" / "templates"
    stages = {f"prompts.{path.name}" for path in templates.glob("*/*") if path.is_dir()}
    assert stages <= set(stage_names())
    for name in stages:
        files = find_stage(name)().rests_on()
        short = name.removeprefix("prompts.")
        assert {path for path in (templates / "en" / short).iterdir() if path.is_file()} <= set(files), name
