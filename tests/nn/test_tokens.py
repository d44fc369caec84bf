"""Token files: what is written is what is mapped, and damage is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import HornbookError
from hornbook.nn.tokens import Tokens, Writer, write_index


def _write(folder, vocab, documents):
    with Writer(folder, "train", vocab, 0) as train, Writer(folder, "val", vocab, 0) as val:
        for document in documents:
            train.add(document, 2 * len(document))
        write_index(folder, vocab=vocab, end=0, end_text="<end>", splits={"train": train.facts(), "val": val.facts()})


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([300, 1 << 16, (1 << 16) + 1]), st.data())
def test_documents_come_back(tmp_path_factory, vocab, data):
    folder = tmp_path_factory.mktemp("tokens")
    documents = data.draw(st.lists(st.lists(st.integers(0, vocab - 1), max_size=9), max_size=9))
    _write(folder, vocab, documents)
    tokens = Tokens(folder)
    train = tokens.split("train")
    assert [train.document(n).tolist() for n in range(len(train))] == documents
    assert train.ids.dtype.itemsize == (2 if vocab <= 1 << 16 else 4)
    assert train.ids.tolist() == [t for d in documents for t in [*d, 0]]
    assert tokens.splits["train"]["bytes"] == 2 * sum(map(len, documents))
    assert len(tokens.split("val")) == 0


def test_a_cut_file_is_told(tmp_path):
    _write(tmp_path, 300, [[1, 2, 3]])
    (tmp_path / "train.bin").write_bytes(b"\x01\x00")
    with pytest.raises(HornbookError, match=r"train.bin has 2 bytes, its index says 8"):
        Tokens(tmp_path).split("train")


def test_no_index_is_told(tmp_path):
    with pytest.raises(HornbookError, match=r"no readable tokens.json"):
        Tokens(tmp_path)


def test_ids_are_whole_numbers_not_wrapped(tmp_path):
    with Writer(tmp_path, "train", 300, 0) as train, pytest.raises(OverflowError):
        train.add([70_000], 1)
    assert np.fromfile(tmp_path / "train.bin", "<u2").size == 0
