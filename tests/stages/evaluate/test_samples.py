from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from hornbook.core.errors import UserError
from hornbook.nn.tokens import Tokens
from hornbook.stages.evaluate.samples import Samples, _copied, _distinct, _repeated
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.train.student import Student
from tests.contract import Example
from tests.corpus import STORIES
from tests.stages.above import Above

ABOVE = (
    ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
    ("train.student", {"depth": 1, "context": 32, "tokens": 2000, "threads": 1}),
)
EXAMPLE = Example(knobs={"prompts": 2, "free": 2, "max_tokens": 12}, above=ABOVE)
KNOBS = {"prompts": 3, "free": 4, "temperatures": (0.0, 0.9), "max_tokens": 20}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    above = Above([{"id": f"d{n}", "text": f"{STORIES[n % 3]} The {n} end."} for n in range(60)])
    above.run(Bpe(vocab=400, val_share=0.2), folder / "tokens")
    above.run(Student(depth=1, context=64, epochs=5, threads=1), folder / "student")
    facts = above.run(Samples(**KNOBS), folder / "samples")
    return above, folder, facts


def test_samples_are_documents(done):
    _, folder, facts = done
    rows = pq.read_table(folder / "samples" / "samples.parquet").to_pylist()
    kinds = [(r["kind"], r["temperature"]) for r in rows]
    assert kinds == [("continued", 0.0)] * 3 + [("free", 0.0)] + [("continued", 0.9)] * 3 + [("free", 0.9)] * 4
    assert len({r["id"] for r in rows}) == len(rows) == facts["samples"]
    assert all(r["text"] == r["prompt"] + r["completion"] for r in rows)
    assert json.loads((folder / "samples" / "samples.json").read_text()) == facts
    assert len({r["completion"] for r in rows if r["kind"] == "free"}) > 3


def test_prompts_are_first_halves_of_held_out_documents(done):
    _, folder, _ = done
    held = pq.read_table(folder / "tokens" / "val.parquet").to_pylist()
    tokenizer, split = (
        Tokenizer.from_file(str(folder / "tokens" / "tokenizer.json")),
        Tokens(folder / "tokens").split("val"),
    )
    rows = pq.read_table(folder / "samples" / "samples.parquet").to_pylist()
    for n, row in enumerate(rows[:3]):
        half = split.document(n)[: len(split.document(n)) // 2]
        assert row["origin"] == held[n]["id"]
        assert row["prompt"] == tokenizer.decode(half.tolist())
        assert held[n]["text"].startswith(row["prompt"])


def test_a_seed_fixes_the_samples(done, tmp_path):
    above, folder, facts = done
    again = above.run(Samples(**KNOBS, batch=2), tmp_path / "again")
    other = above.run(Samples(**KNOBS, seed=1), tmp_path / "other")
    del above.above[-2:]
    assert again == facts
    tables = [
        pq.read_table(f / "samples.parquet") for f in (folder / "samples", tmp_path / "again", tmp_path / "other")
    ]
    assert tables[0] == tables[1]
    assert tables[0].slice(0, 4) == tables[2].slice(0, 4)  # greedy needs no seed
    assert tables[0] != tables[2]
    assert other["at_0"] == facts["at_0"]


def test_counts_by_hand():
    assert _distinct([["a", "b", "a"], ["b", "a"]], 1) == 2 / 5
    assert _distinct([["a", "b", "a"], ["b", "a"]], 2) == 2 / 3
    assert _distinct([["a"]], 2) is None
    assert _repeated(["x", "y", "x", "y", "x", "y"], 2) == 1 - 2 / 5
    assert _repeated(["a", "b", "c", "d", "e"], 4) == 0
    assert _repeated(["a"], 4) is None


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.lists(st.integers(0, 3), max_size=25), max_size=5))
def test_copied_is_the_share_of_8_grams_found(train, texts):
    known = {tuple(train[n : n + 8]) for n in range(len(train) - 7)}
    wanted = []
    for text in texts:
        grams = [tuple(text[n : n + 8]) for n in range(len(text) - 7)]
        wanted.append(sum(g in known for g in grams) / len(grams) if grams else None)
    assert _copied(np.array(train, dtype=np.uint16), texts) == pytest.approx(wanted)


def test_copies_across_chunks_are_found(monkeypatch):
    from hornbook.stages.evaluate import samples

    monkeypatch.setattr(samples, "_CHUNK", 10)
    train = np.arange(95, dtype=np.uint16)
    assert _copied(train, [list(range(90)), list(range(87, 100))]) == [1.0, pytest.approx(1 / 6)]


def test_a_copyist_is_caught(done):
    """What the corpus has counts as copied in full, what it has not (ends of text in a row) not at all."""
    _, folder, facts = done
    train = Tokens(folder / "tokens").split("train")
    assert _copied(train.ids, [train.document(0).tolist()]) == [1.0]
    assert _copied(train.ids, [[Tokens(folder / "tokens").end] * 20]) == [0.0]
    assert facts["true_copied"] > 0.5  # the stories are the same, only their ends differ


def test_a_negative_temperature_is_refused(done, tmp_path):
    with pytest.raises(UserError, match=r"-0.5 is below 0"):
        done[0].run(Samples(temperatures=(0.0, -0.5)), tmp_path / "bad")


def test_nothing_asked_is_nothing_written(done, tmp_path):
    facts = done[0].run(Samples(prompts=0, free=0), tmp_path / "none")
    done[0].above.pop()
    assert facts["samples"] == 0
    assert facts["true_copied"] is None
