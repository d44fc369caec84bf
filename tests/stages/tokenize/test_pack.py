from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.core.stage import Artifact
from hornbook.nn.tokens import Tokens, Writer, write_index
from hornbook.stages.tokenize import pack
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.tokenize.pack import Pack
from tests.contract import Example
from tests.corpus import rows
from tests.stages.above import Above

EXAMPLE = Example(knobs={"context": 64}, above=(("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),))
END = 0


def above_of(folder, documents):
    """Tokens above: a training split of these documents, and one held out."""
    folder.mkdir(parents=True)
    with Writer(folder, "train", 500, END) as train, Writer(folder, "val", 500, END) as val:
        for document in documents:
            train.add(document, len(document))
        val.add([7], 1)
    splits = {"train": train.facts(), "val": val.facts()}
    write_index(folder, vocab=500, end=END, end_text="<end>", splits=splits)
    above = Above([])
    above.above.append(Artifact("tokens", "tokenize.bpe", "tokens", folder, {}))
    return above


def inside(rows):
    """The pieces in rows, each with its end where it has one; what fills the rows is left out."""
    found = []
    for row in rows.tolist():
        piece = []
        for at, token in enumerate(row):
            if token != END or (at and row[at - 1] != END):
                piece.append(token)
            if token == END and piece:
                found.append(piece)
                piece = []
        if piece:
            found.append(piece)
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 499), max_size=30), max_size=30),
    st.integers(2, 12),
    st.sampled_from([1, 40, 1 << 24]),
)
def test_every_document_is_there_once_cut_only_where_longer(tmp_path_factory, documents, context, block):
    folder = tmp_path_factory.mktemp("pack")
    above = above_of(folder / "tokens", documents)
    full = [document for document in documents if document]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "_BLOCK", block)
        if not full:
            with pytest.raises(UserError, match="no training documents to pack"):
                above.run(Pack(context=context), folder / "packed")
            return
        facts = above.run(Pack(context=context), folder / "packed")
    room = context + 1
    rows = Tokens(folder / "packed").rows()
    want = []
    for document in full:
        closed = [*document, END]
        pieces = [closed[at : at + room] for at in range(0, len(closed), room)]
        want += [piece for piece in pieces if piece != [END]]  # an end alone looks like what fills a row
    found = [piece for piece in inside(rows) if piece != [END]]
    assert sorted(found) == sorted(want)
    assert rows.shape == (facts["rows"], room)
    assert facts["cut"] == round(sum(len(d) + 1 > room for d in documents) / len(documents), 6)
    placed = sum(len(d) + 1 for d in full)
    assert facts["filling"] == round(1 - placed / rows.size, 6)


def test_the_tokens_above_stay(tmp_path):
    above = Above(rows(5))
    above.run(Bpe(vocab=300, val_share=0.2), tmp_path / "tokens")
    above.run(Pack(context=32), tmp_path / "packed")
    for name in ("train.bin", "train.offsets.bin", "val.bin", "val.offsets.bin", "val.parquet", "tokenizer.json"):
        assert (tmp_path / "packed" / name).read_bytes() == (tmp_path / "tokens" / name).read_bytes()
    old, new = Tokens(tmp_path / "tokens"), Tokens(tmp_path / "packed")
    assert (old.rows(), old.splits, old.end) == (None, new.splits, new.end)
    above.run(Pack(context=16), tmp_path / "again")
    assert Tokens(tmp_path / "again").rows().shape[1] == 17


def test_few_are_cut_and_little_is_filled(tmp_path):
    """Lengths as in real text, log-normal around a third of a row: the paper's claim in small."""
    rng = np.random.default_rng(5)
    lengths = np.minimum(rng.lognormal(4.4, 0.8, 5000).astype(int) + 1, 2000)
    above = above_of(tmp_path / "tokens", [rng.integers(1, 499, n) for n in lengths])
    facts = above.run(Pack(context=256), tmp_path / "packed")
    assert facts["filling"] < 0.005
    assert facts["cut"] == round(float((lengths + 1 > 257).mean()), 6)
    assert facts["cut_in_stream"] > 3 * facts["cut"]


def test_blocks_are_packed_by_themselves_and_lose_little(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    documents = [rng.integers(1, 499, n) for n in rng.integers(1, 200, 3000)]
    monkeypatch.setattr(pack, "_BLOCK", 30_000)
    facts = above_of(tmp_path / "tokens", documents).run(Pack(context=128), tmp_path / "packed")
    assert facts["filling"] < 0.02


def test_a_student_learns_from_rows(tmp_path):
    """And a context that the rows were not packed for is refused."""
    pytest.importorskip("torch", reason="needs hornbook[train]")
    from hornbook.stages.train.student import Student

    above = Above([row for row in rows(40) if row["id"].startswith("story")])
    above.run(Bpe(vocab=400, val_share=0.1), tmp_path / "tokens")
    above.run(Pack(context=32), tmp_path / "packed")
    small = {"depth": 1, "epochs": 2.0, "context": 32, "batch": 8, "threads": 1}
    facts = above.run(Student(**small), tmp_path / "student")
    assert facts["val_loss"] < np.log(400) / 2
    assert facts["epochs"] == pytest.approx(2, abs=0.2)
    with pytest.raises(UserError, match="packed for a context of 32 tokens cannot be trained on with 64") as caught:
        above.run(Student(**small | {"context": 64}), tmp_path / "wrong")
    assert caught.value.fix == "context: 32 in train.student, or context: 64 in tokenize.pack"


def test_what_fills_a_row_is_no_target(tmp_path):
    """The loss of a row with filling is that of the row without it."""
    torch = pytest.importorskip("torch", reason="needs hornbook[train]")
    from hornbook.nn.course import course_for
    from hornbook.nn.shape import shape_for
    from hornbook.nn.trainer import Trainer

    shape = shape_for(1, 500, 8)
    rows = np.array([[5, 6, 7, END, END, END, END, END, END]] * 4, "<u2")
    course = course_for(
        shape, budget=64, batch=2, lr=None, optimizer="adamw", seed=0, warmup=0.1, validations=1, bf16=False
    )
    trainer = Trainer(
        shape, course, train=rows, val=rows[0], folder=tmp_path, device=torch.device("cpu"), threads=1, end=END
    )
    with torch.no_grad():
        whole = float(trainer._loss(rows.astype(np.int64)))
        short = float(trainer._loss(rows[:, :4].astype(np.int64)))
        trainer.end = None
        counted = float(trainer._loss(rows.astype(np.int64)))
    assert abs(whole - short) < 1e-5
    assert abs(whole - counted) > 1e-3
