"""tokenize.like: one vocabulary and one held-out set for all data sets."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from hornbook.core.errors import UserError
from hornbook.nn.tokens import Tokens
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.tokenize.like import Like
from tests.contract import Example
from tests.corpus import STORIES
from tests.stages.above import Above

EXAMPLE = Example(above=(("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),))
ROWS = [{"id": f"s{n}", "text": f"{n}. {STORIES[n % 3]}"} for n in range(60)]


def after(rows, folder, share=0.2):
    """Tokens of all rows, then those of `rows` like them."""
    above = Above(ROWS)
    above.run(Bpe(vocab=400, val_share=share), folder / "all")
    above.table = Above(rows).table
    facts = above.run(Like(), folder / "some")
    return Tokens(folder / "all"), Tokens(folder / "some"), facts


def held(tokens):
    return set(pq.read_table(tokens.folder / "val.parquet").column("id").to_pylist())


def test_the_same_documents_give_the_same_files(tmp_path):
    one, two, facts = after(ROWS, tmp_path)
    for name in ("tokenizer.json", "train.bin", "train.offsets.bin", "val.bin", "val.offsets.bin"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes(), name
    assert held(one) == held(two)
    assert (facts["vocab"], facts["end"], facts["trained"]) == (one.vocab, one.end, False)


def test_what_was_held_out_is_never_trained_on(tmp_path):
    """Some of the documents and new ones: those held out above are held out, and of the new ones about as many."""
    new = [{"id": f"n{n}", "text": f"new {n}"} for n in range(400)]
    one, two, facts = after([*ROWS[::2], *new], tmp_path)
    old = {row["id"] for row in ROWS[::2]}
    assert held(two) & old == held(one) & old
    assert 0.1 < len(held(two) - old) / len(new) < 0.3
    assert facts["train_docs"] + facts["val_docs"] == 430


def test_nothing_held_out_above_is_nothing_held_out(tmp_path):
    _, two, facts = after(ROWS[:7], tmp_path, share=0.0)
    assert (facts["train_docs"], facts["val_docs"], held(two)) == (7, 0, set())


def test_hostile_texts_come_back(tmp_path):
    texts = ["", "\n", "a\x00b", "\u202eabc", "<|endoftext|>", "龘" * 50, "x" * 100_000, "👩‍👩‍👧 é"]
    one, two, _ = after([{"id": f"h{n}", "text": text} for n, text in enumerate(texts)], tmp_path, share=0.0)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(one.folder / "tokenizer.json"))
    split = two.split("train")
    assert [tokenizer.decode(split.document(n).tolist(), skip_special_tokens=False) for n in range(8)] == texts
    assert np.count_nonzero(split.ids == two.end) == len(texts)


def test_no_document_to_train_on_is_told(tmp_path):
    above = Above(ROWS)
    above.run(Bpe(vocab=400, val_share=0.2), tmp_path / "all")
    out = held(Tokens(tmp_path / "all"))
    above.table = Above([row for row in ROWS if row["id"] in out]).table
    with pytest.raises(UserError, match="none is left to train on"):
        above.run(Like(), tmp_path / "some")
