from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels import embedding
from hornbook.kernels.embedding import WordVectors
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain

VECTORS = np.random.default_rng(1).normal(size=(97, 8)).astype(np.float32)


def encode(said):
    return [[ord(letter) % 97 for letter in word] for word in said]


def by_hand(text: str) -> np.ndarray:
    total = np.zeros(8, np.float32)
    for word, _, _ in plain.words(text):
        for letter in word:
            total += VECTORS[ord(letter) % 97]
    length = np.linalg.norm(total)
    return total / length if length else total


TEXTS = st.lists(st.text(alphabet=st.sampled_from("ab AÉé小犬 .\n_1م😀"), max_size=40), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
def test_the_sum_of_the_words_tokens(texts):
    found = WordVectors(VECTORS, encode).embed(pa.array(texts, pa.string()))
    for row, text in zip(found, texts, strict=True):
        assert row == pytest.approx(by_hand(text), abs=1e-5)


def test_what_was_read_before_changes_nothing(monkeypatch):
    texts = pa.array([*STORIES, *HOSTILE.values(), None], pa.string())
    fresh = WordVectors(VECTORS, encode)
    whole = fresh.embed(texts)
    assert np.isfinite(whole).all()
    assert (whole[-1] == 0).all()
    known = WordVectors(VECTORS, encode)
    for at in reversed(range(len(texts))):
        assert (known.embed(texts.slice(at, 1))[0] == whole[at]).all()
    monkeypatch.setattr(embedding, "KNOWN", 5)
    assert (known.embed(texts) == whole).all(), "words that were forgotten are learned again"


def test_more_words_than_the_table_holds():
    texts = pa.array([" ".join(f"w{n}x{m}" for m in range(3000)) for n in range(40)])
    found = WordVectors(VECTORS, encode).embed(texts)
    assert found[7] == pytest.approx(by_hand(texts[7].as_py()), abs=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("wordllama") is None, reason="needs hornbook[classify]")
def test_wordllamas_vectors_tell_subjects_apart():
    texts = [
        "the cat and the dog sleep",
        "a puppy plays with a kitten",
        "interest rates of the central bank",
        "小猫和小狗",
    ]
    found = embedding.wordllama().embed(pa.array(texts))
    alike = found @ found.T
    assert alike[0, 1] > alike[0, 2] + 0.1
    assert np.diag(alike) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("wordllama") is None, reason="needs hornbook[classify]")
def test_nearly_what_the_package_itself_gives():
    """Its own rule on words and spaces: the mean of the tokens of the text."""
    from tokenizers import Tokenizer

    folder = Path(next(iter(importlib.util.find_spec("wordllama").submodule_search_locations)))
    tokenizer = Tokenizer.from_file(str(next(folder.glob("tokenizer*/l2_supercat_tokenizer_config.json"))))
    vectors = embedding.wordllama()
    for text in (story.lower() for story in STORIES[:3]):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        own = vectors.vectors[ids].mean(axis=0)
        assert own @ vectors.embed(pa.array([text]))[0] / np.linalg.norm(own) > 0.8


@pytest.mark.skipif(importlib.util.find_spec("wordllama") is None, reason="needs hornbook[classify]")
def test_a_hostile_line_takes_no_time():
    began = time.process_time()
    found = embedding.wordllama().embed(pa.array(["x" * 10_000_000, "\x00" * 1_000_000, "ab" * 1000 + "\u202e"]))
    assert np.isfinite(found).all()
    assert time.process_time() - began < 20
