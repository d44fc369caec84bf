from __future__ import annotations

import gzip
import json
import lzma
import math
import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import zstandard

from hornbook.core.errors import UserError
from hornbook.nn.export import load_student, save_student
from hornbook.nn.tokens import Tokens
from hornbook.stages.evaluate.bits import Bits, _primed, _tail
from hornbook.stages.tokenize.bpe import Bpe
from hornbook.stages.train.student import Student
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.above import Above

ABOVE = (
    ("tokenize.bpe", {"vocab": 300, "val_share": 0.2}),
    ("train.student", {"depth": 1, "context": 32, "tokens": 2000, "threads": 1}),
)
EXAMPLE = Example(knobs={"limit_mb": 0.01, "resamples": 50}, above=ABOVE)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bits")
    texts = [STORIES[n % 5] for n in range(40)] + [t for t in HOSTILE.values() if len(t) < 5000]
    above = Above([{"id": f"d{n}", "text": t} for n, t in enumerate(texts)])
    above.run(Bpe(vocab=400, val_share=0.3), folder / "tokens")
    above.run(Student(depth=1, context=32, epochs=3, threads=1), folder / "student")
    facts = above.run(Bits(), folder / "bits")
    return above, folder, facts


def _held(folder):
    return "".join(pq.read_table(folder / "tokens" / "val.parquet").column("text").to_pylist()).encode()


def test_bits_per_byte_by_hand(done):
    """Token by token through the exported model, without any batch or window."""
    _, folder, facts = done
    tokens, model = Tokens(folder / "tokens"), load_student(folder / "student" / "student")
    split, table = tokens.split("val"), pq.read_table(folder / "bits" / "bits.parquet")
    checked = 0
    for row in table.to_pylist():
        document = split.document(checked).astype(np.int64)
        checked += 1
        if not 0 < len(document) <= 32:
            continue
        with torch.no_grad():
            logits = model(torch.tensor([[tokens.end, *document[:-1]]]))[0].log_softmax(-1)
        nats = -float(logits[torch.arange(len(document)), torch.from_numpy(document)].double().sum())
        assert row["nats"] == pytest.approx(nats, rel=1e-5)
        assert row["bits_per_byte"] == pytest.approx(nats / math.log(2) / row["bytes"], rel=1e-5)
    assert checked == facts["documents"] == len(split)
    total, size = sum(table.column("nats").to_pylist()), sum(table.column("bytes").to_pylist())
    assert facts["bits_per_byte"] == pytest.approx(total / math.log(2) / size)
    assert facts["loss"] == pytest.approx(total / facts["tokens"])
    assert size == len(_held(folder)) == facts["bytes"]
    assert facts["low"] < facts["bits_per_byte"] < facts["high"]
    assert json.loads((folder / "bits" / "bits.json").read_text()) == facts


def test_a_uniform_model_costs_log2_of_the_vocabulary(done, tmp_path):
    above, folder, _ = done
    tokens = Tokens(folder / "tokens")
    model = load_student(folder / "student" / "student")
    with torch.no_grad():
        model.embed.weight.zero_()
    other = Above([])
    other.above = [a for a in above.above if a.makes == "tokens"]
    flat = tmp_path / "flat" / "student"
    save_student(model, flat, tokenizer=folder / "tokens" / "tokenizer.json", end=0, end_text="<|endoftext|>")
    other.above.append(type(above.above[0])("flat", "train.student", "student", flat.parent, {}))
    facts = other.run(Bits(resamples=10), tmp_path / "bits")
    split = tokens.split("val")
    count = len(split.ids) - len(split)
    assert facts["tokens"] == count
    assert facts["bits_per_byte"] == pytest.approx(math.log2(tokens.vocab) * count / len(_held(folder)), rel=1e-6)


def test_compressors_are_what_they_say(done):
    _, folder, facts = done
    text = _held(folder)
    bits = 8 / len(text)
    assert facts["gzip_bits_per_byte"] == len(gzip.compress(text, 9, mtime=0)) * bits
    assert facts["zstd_bits_per_byte"] == len(zstandard.compress(text, 19)) * bits
    assert facts["xz_bits_per_byte"] == len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) * bits
    for name in ("gzip", "zstd", "xz"):  # the training text holds the same stories
        assert facts[f"{name}_primed_bits_per_byte"] < 0.7 * facts[f"{name}_bits_per_byte"]


def test_primed_streams_can_be_read_back():
    """The sizes are of streams from which the text comes back, given what was read before."""
    before, text = ("".join(STORIES[:3]) * 9).encode(), (STORIES[1] + " And more.").encode()
    sizes = _primed(text, before)
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, 0, before[-32768:])
    stream = deflate.compress(text) + deflate.flush()
    assert zlib.decompressobj(15, before[-32768:]).decompress(stream) == text
    assert sizes["gzip"] == len(stream)
    known = zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    packed = zstandard.ZstdCompressor(level=19, dict_data=known).compress(text)
    assert zstandard.ZstdDecompressor(dict_data=known).decompress(packed) == text
    assert abs(sizes["zstd"] - len(packed)) <= 8
    assert 0 < sizes["xz"] < len(text) / 3
    assert _primed(text, b"")["gzip"] == len(zlib.compress(text, 9))


def test_the_prime_is_the_end_of_the_training_text(done):
    _, folder, facts = done
    tokens = Tokens(folder / "tokens")
    split, path = tokens.split("train"), folder / "tokens" / "tokenizer.json"
    whole = _tail(split, path, 10**9)
    assert len(whole) == tokens.splits["train"]["bytes"] == facts["primed_with_bytes"]
    assert _tail(split, path, 100) == whole[-100:]
    assert _tail(split, path, 0) == b""


def test_the_limit_takes_the_first_documents(done, tmp_path):
    above, folder, _ = done
    facts = above.run(Bits(limit_mb=1000 / 2**20, resamples=5), tmp_path / "some")
    sizes = pq.read_table(folder / "tokens" / "val.parquet").column("bytes").to_numpy().cumsum()
    assert facts["documents"] == int((sizes <= 1000).sum())
    above.above.pop()
    one = above.run(Bits(limit_mb=1e-9, resamples=5), tmp_path / "one")
    assert one["documents"] == 1
    above.above.pop()


def test_nothing_held_out_is_told(tmp_path):
    above = Above([{"id": str(n), "text": STORIES[n]} for n in range(5)])
    above.run(Bpe(vocab=300, val_share=0), tmp_path / "tokens")
    above.run(Student(depth=1, context=32, epochs=1, threads=1), tmp_path / "student")
    with pytest.raises(UserError, match="no held-out text"):
        above.run(Bits(), tmp_path / "bits")
