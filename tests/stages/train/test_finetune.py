"""train.finetune: the student above goes on, and a killed one ends with the same weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from hornbook.core.errors import HornbookError, UserError
from hornbook.nn.export import load_student
from hornbook.nn.tokens import Tokens
from hornbook.nn.trainer import Trainer
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.tokenize.like import Like
from hornbook.stages.train.finetune import Finetune
from hornbook.stages.train.student import Student
from tests.contract import Example
from tests.corpus import STORIES
from tests.stages.above import Above

EXAMPLE = Example(
    knobs={"tokens": 600, "threads": 1},
    above=(
        ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
        ("train.student", {"depth": 1, "context": 32, "tokens": 2000, "threads": 1}),
    ),
)
TINY = {"tokens": 1600, "batch": 2, "threads": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A student of stories, and the folders of tokens: stories, and sums in the same vocabulary."""
    folder = tmp_path_factory.mktemp("base")
    above = Above([{"id": f"s{n}", "text": f"{n}. {STORIES[n % 3]}"} for n in range(60)])
    above.run(Bpe(vocab=400), folder / "tokens")
    above.run(Student(depth=1, context=32, tokens=6000, threads=1, batch=4), folder / "student")
    above.table = Above([{"id": f"x{n}", "text": f"{n} plus {n} is {2 * n}." * 3} for n in range(60)]).table
    above.run(Like(), folder / "sums")
    return above


def test_it_goes_on_from_the_weights_and_learns_the_new_text(base, tmp_path):
    old = load_student(base.nearest("student").folder / "student")
    seen = Tokens(base.nearest("tokens").folder).split("train").ids[:33].astype("int64")
    ids = torch.from_numpy(seen)[None]
    facts = Above.run(_copy(base), Finetune(**TINY, warmup=0.0), tmp_path / "tuned")
    curve = [float(line.split('"train_loss": ')[1].split(",")[0]) for line in _lines(tmp_path / "tuned")]
    with torch.no_grad():
        first = torch.nn.functional.cross_entropy(old(ids[:, :-1])[0], ids[0, 1:])
        new = load_student(tmp_path / "tuned" / "student")
        last = torch.nn.functional.cross_entropy(new(ids[:, :-1])[0], ids[0, 1:])
    assert abs(curve[0] - float(first)) < 1.0, "it did not begin where the student was"
    assert last < first - 0.3
    before = base.nearest("student").manifest["facts"]
    assert facts["course"]["lr"] == pytest.approx(before["course"]["lr"] / 10)
    assert facts["tokens_seen"] == 25 * 2 * 32
    assert (facts["tokens_seen_before"], facts["student"]) == (before["tokens_seen"], "student")
    assert facts["decay"] == 0.01


def test_killed_and_resumed_is_the_same_student(base, tmp_path, monkeypatch):
    """Stopped after some steps, with a checkpoint at every one: the weights are those of a run left alone."""
    made = Finetune(**TINY | {"tokens": 512}, checkpoint_every=0.0)
    _copy(base).run(made, tmp_path / "alone")
    step, count = Trainer._step, [0]

    def dying(self):
        count[0] += 1
        if count[0] == 6:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Trainer, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        _copy(base).run(made, tmp_path / "killed")
    assert torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["state"]["step"] == 5
    monkeypatch.setattr(Trainer, "_step", step)
    _copy(base).run(made, tmp_path / "killed")
    one, two = (load_file(tmp_path / name / "student" / "model.safetensors") for name in ("alone", "killed"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_checkpoint_of_another_start_is_refused(base, tmp_path):
    _copy(base).run(Finetune(**TINY), tmp_path / "tuned")
    again = _copy(base)
    again.run(Finetune(**TINY), tmp_path / "other")
    with pytest.raises(HornbookError, match="of another student or course"):
        again.run(Finetune(**TINY, lr=again.nearest("student").manifest["facts"]["course"]["lr"]), tmp_path / "tuned")


def test_tokens_of_another_vocabulary_are_told(base, tmp_path):
    above = _copy(base)
    above.run(Bpe(vocab=300), tmp_path / "own")
    with pytest.raises(UserError, match="another vocabulary") as told:
        above.run(Finetune(**TINY), tmp_path / "tuned")
    assert "tokenize.like" in told.value.fix


def test_it_goes_beside_others_on_one_thread_of_a_processor():
    assert Finetune(threads=1, device="cpu").beside()
    assert not Finetune(threads=0, device="cpu").beside()


def _copy(above):
    """The same artifacts above, for one more job."""
    copy = Above([])
    copy.table, copy.above = above.table, list(above.above)
    return copy


def _lines(folder):
    return (folder / "curve.jsonl").read_text().splitlines()
