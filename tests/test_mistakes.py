"""Every mistake a person can make: one screen, what and where and fix, the right exit code, nothing lost."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys

import pytest

from tests.commands import hornbook, last_json, write_jsonl
from tests.corpus import STORIES

GOOD = """\
name: good
seed: 1
teacher: {use: scripted, rule: story}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 50
  - use: quality.length
    min_words: 1
"""


@pytest.fixture
def here(tmp_path):
    """A folder with a good recipe and its prompts."""
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(6)])
    write_jsonl(tmp_path / "docs.jsonl", [{"id": f"d{n}", "text": text} for n, text in enumerate(STORIES)])
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def says(done, code, *words):
    """One screen of message with those words, that exit code, and no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.rstrip().count("\n") < 40
    for word in words:
        assert word in done.stderr, f"`{word}` is not in:\n{done.stderr}"


RECIPES = {
    "unknown stage": ("use: quality.length", "use: quality.lenght", ["unknown stage", "quality.length", "bad.yaml:9"]),
    "unknown knob": ("min_words: 1", "min_wrods: 1", ["unknown knob", "min_words", "bad.yaml:10", "step 3"]),
    "wrong type": ("min_words: 1", "min_words: many", ["min_words", "many", "bad.yaml:10"]),
    "out of range": ("min_words: 1", "min_words: -3", ["min_words = -3 is below 0", "bad.yaml:10", "fix"]),
    "unknown key": ("seed: 1", "sede: 1", ["unknown key", "`seed`", "bad.yaml:2"]),
    "unknown teacher key": ("rule: story", "rul: story", ["unknown knob of teacher", "`rule`", "bad.yaml:3"]),
    "broken yaml": ("steps:", "steps: [", ["broken YAML", "bad.yaml:"]),
    "missing file": ("path: prompts.jsonl", "path: nowhere.jsonl", ["nowhere.jsonl", "fix"]),
    "no such step": ("max_tokens: 50", "max_tokens: 50\n    from: prmpts", ["prmpts", "sources", "bad.yaml:9"]),
    "needs tokens": ("use: quality.length\n    min_words: 1", "use: train.student", ["needs tokens", "tokenize.bpe"]),
    "bad name": ("name: good", "name: ../evil", ["cannot name a run's folder"]),
    "no steps": (GOOD[GOOD.index("steps:") :], "steps: []\n", ["needs steps"]),
}


@pytest.mark.parametrize("name", RECIPES)
def test_mistakes_in_a_recipe(here, name):
    old, new, words = RECIPES[name]
    assert old in GOOD
    (here / "bad.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    says(hornbook("run", "bad.yaml", cwd=here), 2, *words)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "storeis"], ["no recipe called `storeis`", "`stories`"]),
        (["run", "nowhere.yaml"], ["nowhere.yaml", "cannot read"]),
        (["rnu", "good.yaml"], ["no command `rnu`", "hornbook run"]),
        (["run", "good.yaml", "--set", "generate.max_tokns=5"], ["max_tokns", "max_tokens"]),
        (["run", "good.yaml", "--set", "qualty.min_words=5"], ["qualty", "quality"]),
        (["run", "good.yaml", "--set", "seed"], ["no value"]),
        (["run", "good.yaml", "--set", "seed=abc"], ["seed", "whole number"]),
        (["look", "nothing"], ["no run called `nothing`"]),
        (["step", "quality.length", "nowhere.jsonl", "--out", "o"], ["nowhere.jsonl"]),
        (["step", "quality.length", "docs.jsonl", "--out", "o", "min_words=-1"], ["min_words = -1 is below 0"]),
        (["step", "quality.length", "--out", "o"], ["needs documents"]),
        (["step", "quality.length", "docs.jsonl", "--out", "o", "teacher.model=x"], ["asks no teacher"]),
        (["step", "train.student", "docs.jsonl", "--out", "o"], ["needs tokens"]),
    ],
)
def test_mistakes_on_the_command_line(here, args, words):
    says(hornbook(*args, cwd=here), 2, *words)


def test_a_file_that_only_the_last_step_reads_is_missed_before_the_first_begins(here):
    exam = "  - use: decontaminate.ngrams\n    against: [exam.jsonl]\n"
    (here / "bad.yaml").write_text(GOOD + exam, encoding="utf-8")
    done = hornbook("run", "bad.yaml", cwd=here)
    says(done, 2, "exam.jsonl does not exist", "bad.yaml:11, step decontaminate", "fix")
    assert "[1/4]" not in done.stderr


def test_a_folder_that_cannot_be_written(here):
    says(hornbook("run", "good.yaml", "--runs", "/sys/hornbook", cwd=here), 2, "no permission", "/sys/hornbook")


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    ).returncode,
    reason="needs `unshare -rm` with mounts, to make a small full disk",
)
def test_a_full_disk_is_said_and_the_run_goes_on_afterwards(here):
    (here / "small").mkdir()
    write_jsonl(here / "big.jsonl", [{"id": str(n), "text": noise(n)} for n in range(40)])
    script = (
        f"mount -t tmpfs -o size=300k none {here / 'small'} && "
        f"{sys.executable} -m hornbook step quality.length big.jsonl --out small/out"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=here, capture_output=True, text=True, timeout=120, check=False
    )
    says(done, 1, "no space left", "fix")
    assert last_json(hornbook("step", "quality.length", "big.jsonl", "--out", "small/out", "--json", cwd=here))


def noise(seed: int) -> str:
    """Words that do not compress to nothing."""
    draw = random.Random(seed)
    return " ".join(f"{draw.getrandbits(40):x}" for _ in range(5_000))


def test_empty_input(here):
    (here / "prompts.jsonl").write_text("", encoding="utf-8")
    says(hornbook("run", "good.yaml", cwd=here), 2, "no documents", "good.yaml:5")


def test_all_documents_dropped(here):
    done = hornbook("run", "good.yaml", "--set", "quality.min_words=50000", cwd=here)
    says(done, 1, "dropped all 6 documents", "too_short", "good.yaml:9", "hornbook look")
    assert last_json(hornbook("run", "good.yaml", "--json", cwd=here))["documents"] == 6


def test_broken_lines_become_drops_with_file_and_line(here):
    lines = (here / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    lines[2] = '{"id": "broken", "prompt": '
    (here / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = last_json(hornbook("run", "good.yaml", "--json", cwd=here))
    first = found["steps"][0]
    assert (first["rows_in"], first["kept"], first["dropped"]) == (6, 5, 1)
    shown = hornbook("look", "good", "--dropped", "--step", "sources", cwd=here)
    assert "prompts.jsonl" in shown.stdout
    assert "3" in shown.stdout


def test_teacher_that_is_not_there(here):
    done = hornbook("run", "good.yaml", "--set", "teacher.url=http://127.0.0.1:9/v1", cwd=here)
    says(done, 1, "http://127.0.0.1:9/v1", "fix")
    assert last_json(hornbook("run", "good.yaml", "--json", cwd=here))["documents"] == 6


def test_a_fault_of_our_own_is_one_screen_too(here):
    (here / "mine").mkdir()
    (here / "mine" / "__init__.py").touch()
    (here / "mine" / "broken.py").write_text(
        "from hornbook.core.stage import Each\n\n\n"
        "class Broken(Each):\n"
        "    def each(self, piece):\n"
        "        return 1 / 0\n",
        encoding="utf-8",
    )
    write_jsonl(here / "many.jsonl", [{"id": str(n), "text": "x"} for n in range(20)])
    done = hornbook("step", "mine.broken", "many.jsonl", "--out", "o", cwd=here)
    says(done, 1, "mine.broken", "ZeroDivisionError", "fault of the stage")


def test_one_bad_document_does_not_end_a_run(here):
    (here / "mine").mkdir()
    (here / "mine" / "__init__.py").touch()
    (here / "mine" / "touchy.py").write_text(
        "import pyarrow as pa\n"
        "from hornbook.core.stage import Each\n\n\n"
        "class Touchy(Each):\n"
        "    def each(self, piece):\n"
        "        lengths = [len(t) // (t != 'bad') for t in piece['text'].to_pylist()]\n"
        "        return pa.table({'touchy.length': pa.array(lengths, pa.int64())})\n",
        encoding="utf-8",
    )
    write_jsonl(here / "many.jsonl", [{"id": str(n), "text": "bad" if n == 7 else "good"} for n in range(20)])
    found = last_json(hornbook("step", "mine.touchy", "many.jsonl", "--out", "o", "--json", cwd=here))
    assert (found["kept"], found["dropped"], found["reasons"]) == (19, 1, {"error": 1})
