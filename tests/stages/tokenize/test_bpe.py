from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from xxhash import xxh3_64_intdigest

from hornbook.core.errors import UserError
from hornbook.nn.tokens import Tokens
from hornbook.stages.tokenize.bpe import Bpe
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES, rows
from tests.stages.above import Above

EXAMPLE = Example(knobs={"vocab": 300, "val_share": 0.2})
ROOT = Path(__file__).resolve().parents[3]


def documents(folder: Path, split: str) -> list[str]:
    """The texts of a split, read back from its tokens."""
    tokenizer, mapped = Tokenizer.from_file(str(folder / "tokenizer.json")), Tokens(folder).split(split)
    return [tokenizer.decode(mapped.document(n).tolist(), skip_special_tokens=False) for n in range(len(mapped))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    above = Above(rows(6))
    return folder / "tokens", above.run(Bpe(vocab=700, val_share=0.2), folder / "tokens")


def test_every_text_comes_back(trained):
    folder, facts = trained
    held = [r["text"] for r in rows(6) if xxh3_64_intdigest(r["id"].encode()) < int(0.2 * 2**64)]
    rest = [r["text"] for r in rows(6) if xxh3_64_intdigest(r["id"].encode()) >= int(0.2 * 2**64)]
    assert documents(folder, "val") == held
    assert documents(folder, "train") == rest
    assert facts["train_docs"] + facts["val_docs"] == len(rows(6))
    assert facts["train_bytes"] == sum(len(t.encode()) for t in rest)
    assert facts["val_bytes_per_token"] == round(facts["val_bytes"] / (facts["val_tokens"] - facts["val_docs"]), 4)


def test_the_end_stands_only_at_the_ends(trained):
    """One of the texts has `<|endoftext|>` written in it; it is told from the real end."""
    folder, _ = trained
    tokens = Tokens(folder)
    for name in ("train", "val"):
        split = tokens.split(name)
        assert int((split.ids == tokens.end).sum()) == len(split)
        assert (split.ids[split.offsets[1:] - 1] == tokens.end).all()
    assert any("<|endoftext|>" in text for text in documents(folder, "train") + documents(folder, "val"))


def test_held_out_texts_are_listed_beside_their_tokens(trained):
    import pyarrow.parquet as pq

    folder, _ = trained
    table, split = pq.read_table(folder / "val.parquet"), Tokens(folder).split("val")
    assert table.column("text").to_pylist() == documents(folder, "val")
    assert table.column("bytes").to_pylist() == [len(t.encode()) for t in documents(folder, "val")]
    assert table.column("tokens").to_pylist() == [len(split.document(n)) for n in range(len(split))]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80))
@example("<|endoftext|>")
@example("a<|endoftext|><|endoftext|> b <|endo")
@example("\x00\r\n\u2028 ''s 1234\U0010ffff")
def test_any_text_round_trips(trained, text):
    tokenizer = Tokenizer.from_file(str(trained[0] / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert Tokens(trained[0]).end not in ids


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=30), min_size=3, max_size=12))
def test_any_corpus_comes_back(tmp_path_factory, texts):
    above, folder = Above([{"id": f"d{n}", "text": t} for n, t in enumerate(texts)], 5), tmp_path_factory.mktemp("any")
    job = Bpe(vocab=300, val_share=0.3)
    if not any(texts):
        with pytest.raises(UserError, match="too few to train on"):
            job.run(above, folder, lambda share, words: None)
        return
    above.run(job, folder)
    assert Counter(documents(folder, "train") + documents(folder, "val")) == Counter(texts)
    assert documents(folder, "val")


def test_a_document_longer_than_a_batch_comes_back(tmp_path):
    text = "".join(f"{n} and 小狐狸 ran. " for n in range(90_000))
    above = Above([{"id": "a", "text": "short"}, {"id": "long", "text": text}, {"id": "z", "text": "end"}])
    facts = above.run(Bpe(vocab=300, val_share=0), tmp_path)
    assert documents(tmp_path, "train") == ["short", text, "end"]
    assert len(text.encode()) > 2 * 2**20
    assert (facts["val_docs"], facts["val_bytes_per_token"]) == (0, None)


def test_what_is_held_out_stays_when_others_come(tmp_path):
    import pyarrow.parquet as pq

    few, many = ([{"id": f"doc-{n}", "text": f"text {n}"} for n in range(count)] for count in (100, 400))
    for name, some in (("few", few), ("many", many)):
        Above(some, 33).run(Bpe(vocab=300, val_share=0.1), tmp_path / name)
    held = [set(pq.read_table(tmp_path / n / "val.parquet").column("id").to_pylist()) for n in ("few", "many")]
    assert held[0] == {key for key in held[1] if int(key[4:]) < 100}
    assert 20 <= len(held[1]) <= 60


def test_one_is_held_out_at_least(tmp_path):
    some = [{"id": name, "text": "some words"} for name in "abc"]
    facts = Above(some).run(Bpe(vocab=300, val_share=1e-9), tmp_path)
    assert (facts["val_docs"], facts["train_docs"]) == (1, 2)


def test_pieces_change_nothing(tmp_path):
    for size in (1, 4, 1000):
        Above(rows(3), size).run(Bpe(vocab=500), tmp_path / str(size))
    for name in ("tokenizer.json", "train.bin", "val.bin", "train.offsets.bin", "tokens.json"):
        assert len({(tmp_path / size / name).read_bytes() for size in ("1", "4", "1000")}) == 1


WORKER = """
import sys; from pathlib import Path
from tests.corpus import rows; from tests.stages.above import Above
from hornbook.stages.tokenize.bpe import Bpe
Above(rows(10), 20).run(Bpe(vocab=900), Path(sys.argv[1]))
"""


def test_threads_change_nothing(tmp_path):
    """The tokenizer library counts and encodes in as many threads as it is given."""
    for threads in ("1", "2", "3"):
        given = {"RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "true", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", WORKER, str(tmp_path / threads)], env=os.environ | given, check=True)
    for name in ("tokenizer.json", "train.bin", "val.bin"):
        assert len({(tmp_path / threads / name).read_bytes() for threads in "123"}) == 1


def test_merges_are_the_commonest_pairs(tmp_path):
    """By hand: in `aab aab aab cd`, `a a`, then `aa b` are the commonest pairs; ` ` goes with words."""
    above = Above([{"id": str(n), "text": "aabaabaab cd"} for n in range(5)])
    above.run(Bpe(vocab=259, val_share=0), tmp_path)
    merges = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["merges"]
    assert merges == [["a", "a"], ["aa", "b"]]
    assert Tokens(tmp_path).vocab == 259


def test_it_trains_on_no_more_than_asked(tmp_path):
    some = [{"id": str(n), "text": f"{n:07d} " * 4000} for n in range(100)]
    seen = []
    job = Bpe(vocab=300, train_mb=1, val_share=0)
    above = Above(some)
    total, limit, count = job._survey(above)
    below = int(2**20 / total * 2**64)
    for batch in job._texts(above, limit, below, count, lambda share, words: None):
        seen += batch
    assert 0.6 * 2**20 < sum(map(len, seen)) < 1.4 * 2**20
    above.run(job, tmp_path)
    assert documents(tmp_path, "train") == [row["text"] for row in some]


@pytest.fixture
def words(tmp_path):
    """A tokenizer that is not ours: whole words, with an end of text of its own."""
    made = Tokenizer(models.WordLevel({"<pad>": 0, "one": 1, "two": 2, "<unk>": 3}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["</s>"])
    made.save(str(tmp_path / "words.json"))
    return tmp_path / "words.json"


def test_a_given_tokenizer_is_used(tmp_path, words):
    above = Above([{"id": "x", "text": "one two two"}, {"id": "y", "text": "two three </s>"}])
    facts = above.run(Bpe(tokenizer=str(words), end="</s>", val_share=0), tmp_path / "out")
    assert Tokens(tmp_path / "out").split("train").ids.tolist() == [1, 2, 2, 4, 2, 3, 3, 4]
    assert (facts["vocab"], facts["trained"]) == (5, False)


def test_a_tokenizer_without_the_end_is_refused(tmp_path, words):
    with pytest.raises(UserError, match=r"no token '<\|endoftext\|>'") as caught:
        Above(rows(1)).run(Bpe(tokenizer=str(words)), tmp_path / "out")
    assert caught.value.fix == "end: one of </s>"


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    for name in ("bad.json", "absent.json"):
        with pytest.raises(UserError) as caught:
            Above(rows(1)).run(Bpe(tokenizer=str(tmp_path / name)), tmp_path / "out")
        assert caught.value.where.endswith(name)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["alone"]])
def test_too_little_text_is_told(tmp_path, texts):
    with pytest.raises(UserError, match="too few to train on and hold one out"):
        Above([{"id": str(n), "text": t} for n, t in enumerate(texts)]).run(Bpe(), tmp_path)


def test_a_word_of_megabytes_costs_little(tmp_path):
    import time

    start = time.process_time()
    above = Above([{"id": n, "text": t} for n, t in (("x", "x" * 5_000_000), ("y", "ab" * 10**6), ("s", " " * 10**6))])
    above.run(Bpe(vocab=300, val_share=0), tmp_path)
    assert time.process_time() - start < 60  # minutes without the cut: the cost grew as the square
    assert documents(tmp_path, "train") == ["x" * 5_000_000, "ab" * 10**6, " " * 10**6]


def test_the_corpus_has_what_breaks_tokenizers():
    assert any("<|endoftext|>" in text for text in HOSTILE.values())
    assert any(len(text) > 100_000 for text in HOSTILE.values())
    assert len(STORIES) == 5
