"""`hornbook why`: for every document there is, what it says is what the parts say."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from hornbook.core.errors import UserError
from hornbook.engine.history import history
from hornbook.engine.workspace import Workspace
from tests.commands import hornbook, last_json


def rows_of(folder: Path) -> dict[str, dict[str, object]]:
    files = sorted(folder.glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return {row["id"]: row for row in rows}


def test_every_document_is_traced_to_where_it_stopped(small: Path) -> None:
    workspace = Workspace(small / "runs")
    steps = workspace.steps("small")
    kept = {step.step: rows_of(step.folder) for step in steps}
    gone = {step.step: rows_of(step.folder / "dropped") for step in steps}
    ids = {key for name in kept for key in (*kept[name], *gone[name])} - set(kept["sources-words"])
    assert len(ids) > 60
    for key in ids:
        found = history(steps, key, workspace.journal)
        through = [name for name in kept if key in kept[name] or key in gone[name]]
        assert [passage.step for passage in found.passages] == through
        stopped = next((name for name in gone if key in gone[name]), None)
        last = found.passages[-1]
        assert (last.step if last.dropped else None) == stopped
        if stopped:
            assert (last.dropped, last.evidence) == (gone[stopped][key]["reason"], gone[stopped][key]["evidence"])
        assert found.final == (key in kept["dedup"])


def test_what_each_step_added_makes_up_the_last_row(small: Path) -> None:
    workspace = Workspace(small / "runs")
    found = history(workspace.steps("small"), "story-0000007", workspace.journal)
    made: dict[str, object] = {}
    for passage in found.passages:
        made |= passage.added
    assert made == found.passages[-1].row
    by_step = {passage.step: set(passage.added) for passage in found.passages}
    assert "prompt" in by_step["prompts"]
    assert {"text", "generate.request"} <= by_step["generate"]
    assert "prompt" not in by_step["generate"]
    assert {"quality.words"} <= by_step["short"]


def test_seeds_request_and_reply(small: Path) -> None:
    found = last_json(hornbook("why", "story-0000007", "--run", "small", "--json", cwd=small))
    prompt = found["passages"][0]["added"]
    words = [prompt[f"story.{part}"] for part in ("noun", "verb", "adjective")]
    assert [seed["text"] for seed in found["seeds"]] == words
    assert {seed["step"] for seed in found["seeds"]} == {"sources-words"}
    (asked,) = found["requests"]
    row = found["passages"][1]["row"]
    assert asked["key"] == row["generate.request"]
    assert asked["request"]["messages"] == [{"role": "user", "content": prompt["prompt"]}]
    assert asked["request"]["params"] == {"max_tokens": 30}
    assert asked["reply"]["completion_tokens"] == row["generate.tokens"]
    assert asked["reply"]["finish"] == row["generate.finish"] == "length"
    shown = hornbook("why", "story-0000007", cwd=small).stdout
    for said in (*words, "seed sources-words", asked["key"], "finish  length", "in the final set"):
        assert said in shown


def test_a_dropped_document_says_why(small: Path) -> None:
    shown = hornbook("why", "tiny-2", cwd=small).stdout
    assert "dropped by short: too_short" in shown
    assert "quality.words = 1 < 3" in shown


def test_a_line_that_could_not_be_read_says_where_it_stood(small: Path) -> None:
    workspace = Workspace(small / "runs")
    notes = next(step for step in workspace.steps("small") if step.step == "notes")
    for key, row in rows_of(notes.folder / "dropped").items():
        found = history(workspace.steps("small"), key, workspace.journal)
        assert found.passages[-1].dropped == row["reason"]


@pytest.mark.parametrize(
    ("wrong", "right"), [("story-000007", "story-0000007"), ("STORY-0000007", "story-0000007"), ("tiny", "tiny-0")]
)
def test_an_unknown_id_names_the_nearest(small: Path, wrong: str, right: str) -> None:
    done = hornbook("why", wrong, cwd=small)
    assert done.returncode == 2
    assert f"`{right}`" in done.stderr


def test_an_unknown_id_that_is_like_none(small: Path) -> None:
    workspace = Workspace(small / "runs")
    with pytest.raises(UserError, match="no document has the id") as error:
        history(workspace.steps("small"), "\x1b[31m\u4e2d", workspace.journal)
    assert "ids look like" in error.value.fix


def test_whole_rows_are_read_only_where_the_document_is(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str] | None] = []
    original = pq.ParquetFile.read_row_group

    def spy(self: pq.ParquetFile, group: int, columns: list[str] | None = None, **more: object) -> object:
        read.append(columns)
        return original(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    workspace = Workspace(small / "runs")
    found = history(workspace.steps("small"), "note-2-1", workspace.journal)
    assert sum(columns is None for columns in read) == len(found.passages)
    assert {tuple(columns) for columns in read if columns is not None} == {("id",)}


def test_the_token_split_is_the_one_that_was_written(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "in.jsonl").write_text(
        "".join(f'{{"id": "d{n}", "text": "the cat number {n} sat on a mat"}}\n' for n in range(40)), encoding="utf-8"
    )
    steps = "steps: [{use: sources.files, path: in.jsonl}, {use: tokenize.bpe, vocab: 300, val_share: 0.3}]\n"
    (tmp_path / "t.yaml").write_text("name: t\n" + steps, encoding="utf-8")
    assert hornbook("run", "t.yaml", cwd=tmp_path).returncode == 0
    workspace = Workspace(tmp_path / "runs")
    done = workspace.steps("t")
    held = set(ds.dataset(done[-1].folder / "val.parquet").to_table(["id"])["id"].to_pylist())
    assert 0 < len(held) < 40
    for n in range(40):
        split = history(done, f"d{n}", workspace.journal).split
        assert split == {"tokenize": "val" if f"d{n}" in held else "train"}
