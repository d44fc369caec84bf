"""Training: it learns, it resumes to the same weights, it says when it cannot."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from hornbook.core.errors import HornbookError
from hornbook.nn.course import Course
from hornbook.nn.machine import fast_bf16, kept_memory, probe_threads
from hornbook.nn.optim import schedule
from hornbook.nn.shape import shape_for
from hornbook.nn.trainer import Trainer

CPU = torch.device("cpu")
SHAPE = shape_for(1, 64, 32)
COURSE = Course(
    length=32, batch=4, steps=24, lr=3e-3, optimizer="adamw", seed=5, warmup=3, validations=4, bf16=fast_bf16(CPU)
)


def _stream(length, seed=0):
    """Tokens with something to learn: each is the one before plus 1 or 2, modulo 64."""
    return (np.cumsum(np.random.default_rng(seed).integers(1, 3, length)) % 64).astype(np.uint16)


def _trainer(folder, course=COURSE, **given):
    folder.mkdir(exist_ok=True)
    rest = {"train": _stream(3000), "val": _stream(500, 1), "folder": folder, "device": CPU, "threads": 1}
    return Trainer(SHAPE, course, **rest | given)


def _quiet(share, words):
    assert 0 < share <= 1
    assert words


class _StopError(Exception):
    pass


def _stopping(after):
    calls = iter(range(10**6))

    def tick(share, words):
        if next(calls) + 1 == after:
            raise _StopError

    return tick


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_stopped_run_ends_with_the_same_weights(tmp_path, optimizer, bf16):
    course = replace(COURSE, optimizer=optimizer, bf16=bf16)
    straight = _trainer(tmp_path / "straight", course)
    facts = straight.run(_quiet)
    for after in (5, 13, 1):  # the third stop comes right after the second resume
        with pytest.raises(_StopError):
            _trainer(tmp_path / "stopped", course, every=0).run(_stopping(after))
    again = _trainer(tmp_path / "stopped", course)
    assert again.state.step == 19
    resumed = again.run(_quiet)
    assert resumed["train_loss"] == facts["train_loss"]
    assert resumed["val_loss"] == facts["val_loss"]
    assert all(torch.equal(a, b) for a, b in zip(straight.model.parameters(), again.model.parameters(), strict=True))
    curves = [(tmp_path / f / "curve.jsonl").read_text().splitlines() for f in ("straight", "stopped")]
    rows = [[{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines] for lines in curves]
    assert rows[0] == rows[1]


def test_a_finished_run_is_not_run_again(tmp_path):
    facts = _trainer(tmp_path).run(_quiet)
    assert _trainer(tmp_path).run(lambda share, words: pytest.fail("a step was taken")) == facts


def test_it_learns(tmp_path):
    facts = _trainer(tmp_path, replace(COURSE, steps=150)).run(_quiet)
    rows = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert rows[0]["train_loss"] > 4.0  # near ln 64 = 4.16
    assert facts["val_loss"] < 1.2  # the stream's entropy is ln 2 = 0.69
    assert rows[-1]["step"] == 150
    assert rows[-1]["tokens"] == facts["tokens_seen"] == 150 * 4 * 32
    assert [r["step"] for r in rows] == sorted({r["step"] for r in rows})
    assert all(set(r) == {"step", "tokens", "train_loss", "val_loss", "lr", "seconds"} for r in rows)


def test_a_checkpoint_of_another_course_is_refused(tmp_path):
    _trainer(tmp_path).run(_quiet)
    with pytest.raises(HornbookError, match="another student or course"):
        _trainer(tmp_path, replace(COURSE, lr=1e-3))


def test_a_loss_that_is_no_number_is_told(tmp_path):
    trainer = _trainer(tmp_path, replace(COURSE, lr=9.0))
    with torch.no_grad():
        trainer.model.norm.weight.fill_(float("inf"))
    with pytest.raises(HornbookError, match=r"loss at step 0 is nan") as caught:
        trainer.run(_quiet)
    assert caught.value.fix == "lr: 3 instead of 9"


def test_nothing_held_out_is_allowed(tmp_path):
    facts = _trainer(tmp_path, val=np.zeros(0, np.uint16)).run(_quiet)
    assert facts["val_loss"] is None
    assert facts["best_val_step"] is None


def test_threads_are_given_back_and_told(tmp_path):
    torch.set_num_threads(1)
    facts = _trainer(tmp_path, threads=0).run(_quiet)
    assert torch.get_num_threads() == 1
    assert facts["threads"][0] >= 1


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 0.1, 2: 0.05, 4: 0.03, 8: 0.029}, 4),  # the last doubling gains too little
        ({1: 0.1, 2: 0.06, 4: 0.5, 8: 0.01}, 2),  # climbing stops at the first loss
        ({1: 0.1, 2: 1.3, 4: 0.1, 8: 0.1}, 1),  # a busy neighbour
        ({1: 0.8, 2: 0.4, 4: 0.2, 8: 0.1}, 8),
    ],
)
def test_the_probe_takes_what_is_fastest(seconds, chosen):
    now = [0.0]

    def work():
        now[0] += seconds[torch.get_num_threads()]

    try:
        assert probe_threads(work, 8, clock=lambda: now[0]) == (chosen, pytest.approx(seconds[chosen]))
        assert torch.get_num_threads() == chosen
    finally:
        torch.set_num_threads(1)


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as Linux counts them")
def test_freed_memory_is_kept_only_inside():
    """Counted in page faults: a tensor of 32 MB is mapped afresh outside, and only once inside."""
    import resource

    def faults(times=10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(times):
            torch.zeros(10 * 2**20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with kept_memory():
        faults(1)
        inside = faults()
    outside = faults()
    assert inside * 3 < outside


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (10, 3), (100, 5), (5, 5)])
def test_the_schedule_rises_and_falls(steps, warmup):
    shares = [schedule(t, steps, warmup) for t in range(steps)]
    assert all(0 < s <= 1 for s in shares)
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
