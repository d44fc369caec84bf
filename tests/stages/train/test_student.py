from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hornbook.core.errors import UserError
from hornbook.nn.export import load_student
from hornbook.nn.tokens import Tokens
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.train.student import Student
from tests.contract import Example
from tests.corpus import STORIES
from tests.stages.above import Above

ABOVE = (("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),)
EXAMPLE = Example(knobs={"depth": 1, "context": 32, "tokens": 2000, "threads": 1}, above=ABOVE)
ROOT = Path(__file__).resolve().parents[3]
TINY = {"depth": 1, "context": 32, "threads": 1}


def stories(folder: Path) -> Above:
    """Stories with a number in each, tokenized."""
    rows = [{"id": f"s{n}", "text": f"{n}. {STORIES[n % 3]}"} for n in range(60)]
    above = Above(rows)
    above.run(Bpe(vocab=400), folder / "tokens")
    return above


WORKER = """
import json, sys; from pathlib import Path
from hornbook.stages.train.student import Student
from tests.stages.above import Above; from tests.stages.train.test_student import TINY
from hornbook.core.stage import Artifact
above = Above([]); tokens = Path(sys.argv[1])
above.above.append(Artifact("tokens", "tokenize.bpe", "tokens", tokens, {}))
def tick(share, words): print(words, flush=True)
facts = Student(**TINY, tokens=3000, batch=2, checkpoint_every=0).run(above, Path(sys.argv[2]), tick)
"""


def _start(tokens: Path, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tokens), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _stop(tokens: Path, folder: Path, how: signal.Signals, steps: int, wait: float) -> int:
    """Run until so many steps were told and a little longer, then send a signal; the exit code."""
    process = _start(tokens, folder)
    assert process.stdout is not None
    for _ in range(steps):
        assert process.stdout.readline().startswith("step ")
    time.sleep(wait)
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


def _curve(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_killed_and_resumed_is_the_same_student(tmp_path):
    """`kill -9` (and Ctrl-C) while it trains, twice; the weights are those of a run left alone, bit for bit."""
    stories(tmp_path)
    tokens, alone, killed = tmp_path / "tokens", tmp_path / "alone", tmp_path / "killed"
    assert _start(tokens, alone).wait(timeout=120) == 0
    draw = random.Random(2)
    assert _stop(tokens, killed, signal.SIGKILL, 9, draw.uniform(0, 0.01)) == -signal.SIGKILL
    reached = torch.load(killed / "checkpoint.pt", weights_only=True)["state"]["step"]
    assert 8 <= reached < 30
    assert _stop(tokens, killed, signal.SIGINT, 7, draw.uniform(0, 0.01)) not in (0, -signal.SIGKILL)
    assert not (killed / "student").exists()
    assert torch.load(killed / "checkpoint.pt", weights_only=True)["state"]["step"] >= reached + 6
    assert _start(tokens, killed).wait(timeout=120) == 0
    assert _curve(killed) == _curve(alone)
    first, second = (load_file(folder / "student" / "model.safetensors") for folder in (alone, killed))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_folder_is_a_hugging_face_model(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    above = stories(tmp_path)
    facts = above.run(Student(**TINY, tokens=3000), tmp_path / "student")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "student" / "student", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student" / "student")
    text = "3. Lily had a big red ball."
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert tokenizer.decode(ids[0]) == text
    with torch.no_grad():
        ours = load_student(tmp_path / "student" / "student")(ids)
        assert (ours - theirs(ids).logits).abs().max() < 1e-5
    assert theirs.num_parameters() == facts["params"]
    assert theirs.config.eos_token_id == Tokens(tmp_path / "tokens").end
    out = theirs.generate(ids, max_new_tokens=5, do_sample=False)
    assert out.shape[1] > ids.shape[1]


def test_it_learns_and_tells_how(tmp_path):
    facts = stories(tmp_path).run(Student(**TINY, epochs=8), tmp_path / "student")
    curve = _curve(tmp_path / "student")
    assert curve[0]["train_loss"] > 5.5  # ln 400 = 5.99
    assert facts["val_loss"] == curve[-1]["val_loss"] < 4.5
    assert facts["best_val_loss"] <= facts["val_loss"]
    assert facts["epochs"] == pytest.approx(8, rel=0.1)
    assert facts["threads"] == [1]
    assert facts["device"] in ("cpu", torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")
    assert facts["tokens_seen"] == curve[-1]["tokens"]


def test_muon_learns_too(tmp_path):
    facts = stories(tmp_path).run(Student(**TINY, optimizer="muon", epochs=8), tmp_path / "student")
    assert facts["val_loss"] < 4.5
    assert facts["course"]["optimizer"] == "muon"


def test_too_few_tokens_are_told(tmp_path):
    above = Above([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])
    above.run(Bpe(vocab=300), tmp_path / "tokens")
    with pytest.raises(UserError, match="tokens to train on are less than one window of 256"):
        above.run(Student(), tmp_path / "student")
    with pytest.raises(UserError, match="training tokens are fewer than one window"):
        above.run(Student(epochs=1000), tmp_path / "student")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a CUDA device")
def test_cuda_where_there_is_none_is_told(tmp_path):
    with pytest.raises(UserError, match="sees no CUDA device"):
        stories(tmp_path).run(Student(**TINY, device="cuda"), tmp_path / "student")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_learns_on_a_gpu(tmp_path):
    facts = stories(tmp_path).run(Student(**TINY, device="cuda", epochs=8), tmp_path / "student")
    assert facts["val_loss"] < 4.5
