"""evaluate.answers: what a student that cannot write a program knows of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer

from hornbook.core.errors import UserError
from hornbook.kernels.mutants import KINDS
from hornbook.nn.export import load_student, save_student
from hornbook.nn.tokens import Tokens
from hornbook.stages.evaluate.answers import Answers
from hornbook.stages.evaluate.solutions import Solutions
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.train.student import Student
from tests.contract import Example
from tests.corpus import STORIES
from tests.problems import HUMAN, MBPP, lines
from tests.stages.above import Above

ABOVE = (
    ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
    ("train.student", {"depth": 1, "context": 48, "tokens": 1000, "threads": 1}),
)
KNOBS = {"wrong": 3, "kinds": KINDS, "timeout": 0.3, "workers": 1, "resamples": 50}
EXAMPLE = Example(
    knobs=KNOBS | {"problems": "{tmp}/problems.jsonl"}, above=ABOVE, files={"problems.jsonl": lines([*HUMAN, *MBPP])}
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A student that has read the right programs often, and what it says of them."""
    folder = tmp_path_factory.mktemp("answers")
    code = [row["prompt"] + row["canonical_solution"] for row in HUMAN]
    texts = [*code * 20, *STORIES]
    above = Above([{"id": f"d{n}", "text": text} for n, text in enumerate(texts)])
    above.run(Bpe(vocab=400, val_share=0.1), folder / "tokens")
    above.run(Student(depth=1, context=128, epochs=4, threads=1), folder / "student")
    (folder / "h.jsonl").write_text(lines(HUMAN))
    (folder / "m.jsonl").write_text(lines(MBPP))
    facts = above.run(Answers(problems=str(folder / "h.jsonl"), **KNOBS), folder / "answers")
    return above, folder, facts, pq.read_table(folder / "answers" / "answers.parquet").to_pylist()


def test_the_cost_of_a_solution_by_hand(done):
    """Token by token through the exported model, without any batch or window."""
    _, folder, facts, rows = done
    tokens, model = Tokens(folder / "tokens"), load_student(folder / "student" / "student")
    tokenizer = Tokenizer.from_file(str(folder / "tokens" / "tokenizer.json"))
    assert [row["task_id"] for row in rows] == [problem["task_id"] for problem in HUMAN]
    for row, problem in zip(rows, HUMAN, strict=True):
        head = tokenizer.encode(problem["prompt"].rstrip(), add_special_tokens=False).ids
        for answer, told in [("\n" + problem["canonical_solution"], row)]:
            ids = tokenizer.encode(answer, add_special_tokens=False).ids
            whole = torch.tensor([[tokens.end, *head, *ids]])
            with torch.no_grad():
                logits = model(whole[:, :-1])[0, len(head) :].log_softmax(-1)
            cost = -float(logits[torch.arange(len(ids)), torch.tensor(ids)].double().sum())
            assert told["nats"] == pytest.approx(cost, rel=1e-4)
            assert told["bytes"] == len(answer.encode())
            assert row["tokens"] == len(ids)
        assert row["bits_per_byte"] == pytest.approx(row["nats"] / math.log(2) / row["bytes"])
    total, size = sum(row["nats"] for row in rows), sum(row["bytes"] for row in rows)
    assert facts["bits_per_byte"] == pytest.approx(total / math.log(2) / size)
    assert facts["low"] <= facts["bits_per_byte"] <= facts["high"]
    assert json.loads((folder / "answers" / "answers.json").read_text()) == facts


def test_wrong_programs_fail_and_are_others(done):
    _, _, facts, rows = done
    assert [len(row["wrong"]) for row in rows] == [3, 3, 3]
    assert all(one["verdict"] not in ("pass", "") for row in rows for one in row["wrong"])
    assert facts["chance"] == pytest.approx(1 / 4)
    assert (facts["n"], facts["wrong"], facts["unsound"], facts["cut"]) == (3, 9, [], 0)
    assert sum(kind["wrong"] for kind in facts["by_kind"].values()) == 9


def test_preference_is_counted_as_it_is_said(done):
    _, _, facts, rows = done
    first = [all(row["nats"] < one["nats"] for one in row["wrong"]) for row in rows]
    each = [row["nats"] / row["bytes"] < one["nats"] / one["bytes"] for row in rows for one in row["wrong"]]
    assert facts["preferred"] == pytest.approx(np.mean(first))
    assert facts["pairs_per_byte"] == pytest.approx(np.mean(each))
    for name in ("preferred", "preferred_per_byte", "pairs", "pairs_per_byte"):
        assert facts[f"{name}_low"] <= facts[name] <= facts[f"{name}_high"]


def test_who_has_read_the_solutions_knows_them_better_than_who_knows_nothing(done, tmp_path):
    above, folder, facts, _ = done
    tokens, model = Tokens(folder / "tokens"), load_student(folder / "student" / "student")
    with torch.no_grad():
        model.embed.weight.zero_()
    other = Above([])
    other.above = [one for one in above.above if one.makes == "tokens"]
    flat = tmp_path / "flat" / "student"
    save_student(model, flat, tokenizer=folder / "tokens" / "tokenizer.json", end=0, end_text="<|endoftext|>")
    other.above.append(type(above.above[0])("flat", "train.student", "student", flat.parent, {}))
    nothing = other.run(Answers(problems=str(folder / "h.jsonl"), **KNOBS), tmp_path / "answers")
    rows = pq.read_table(tmp_path / "answers" / "answers.parquet").to_pylist()
    for row in rows:
        assert row["nats"] == pytest.approx(row["tokens"] * math.log(tokens.vocab), rel=1e-5)
    assert facts["bits_per_byte"] < 0.8 * nothing["bits_per_byte"]
    assert facts["pairs_per_byte"] > nothing["pairs_per_byte"]


def test_mbpp_solutions_and_those_that_fail_here(done, tmp_path):
    above, _, _, _ = done
    bad = dict(MBPP[0], task_id=13, code="def double(n):\n    return n\n")
    (tmp_path / "m.jsonl").write_text(lines([*MBPP, bad]))
    facts = above.run(Answers(problems=str(tmp_path / "m.jsonl"), **KNOBS), tmp_path / "a")
    above.above.pop()
    assert (facts["problems"], facts["n"], facts["unsound"]) == (3, 2, ["MBPP/13"])
    assert facts["cut"] > 0, "a prompt in the paper's words is longer than the context"


def test_no_solution_is_told(done, tmp_path):
    above, _, _, _ = done
    (tmp_path / "n.jsonl").write_text(lines([{k: v for k, v in HUMAN[0].items() if k != "canonical_solution"}]))
    with pytest.raises(UserError, match="no problem has a solution"):
        above.run(Answers(problems=str(tmp_path / "n.jsonl"), **KNOBS), tmp_path / "a")
    (tmp_path / "w.jsonl").write_text(lines([dict(HUMAN[0], canonical_solution="    return 1\n")]))
    with pytest.raises(UserError, match="none of 1 solutions passes"):
        above.run(Answers(problems=str(tmp_path / "w.jsonl"), **KNOBS), tmp_path / "b")


def test_tokens_of_another_vocabulary_are_told(done, tmp_path):
    above, folder, _, _ = done
    other = Above([])
    other.table, other.above = above.table, list(above.above)
    other.run(Bpe(vocab=300), tmp_path / "own")
    for stage in (Answers(problems=str(folder / "h.jsonl"), **KNOBS), Solutions(problems=str(folder / "h.jsonl"))):
        with pytest.raises(UserError, match="another vocabulary"):
            other.run(stage, tmp_path / "a") if isinstance(stage, Answers) else list(stage.read([0, 1], other))
