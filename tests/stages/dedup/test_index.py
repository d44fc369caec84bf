from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.stages.dedup import _index
from hornbook.stages.dedup.index import Index
from hornbook.stages.dedup.minhash import MinHash
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example()


def index_of(texts: list[str], ids: list[str], folder: Path, size: int = 3, **knobs) -> str:
    folder.mkdir(exist_ok=True)
    table = documents(texts, ids)
    pieces = [table.slice(at, size) for at in range(0, table.num_rows, size)]
    inputs = SimpleNamespace(documents=lambda columns: iter(pieces), rows=lambda: table.num_rows)
    Index(**knobs).run(inputs, folder, lambda share, note: None)
    return str(folder)


OLD = [*STORIES, *HOSTILE.values()]
OLD_IDS = [f"old-{n}" for n in range(len(OLD))]


def test_what_is_there_already_is_dropped_with_its_id(tmp_path, monkeypatch):
    monkeypatch.setattr(_index, "SEGMENT_VALUES", 40)
    seen = index_of(OLD, OLD_IDS, tmp_path / "old")
    assert len(list(Path(seen).glob("segment-*"))) > 2
    fresh = "a text that nobody has ever seen before, " * 3 + "not even once, whatever they say about it"
    near = STORIES[0].replace("shiny", "shiny, round")
    texts = [near, fresh, fresh + " again", STORIES[3], ""]
    kept, gone = outcome(MinHash(seen=[seen]), documents(texts), 2)
    assert kept == ["d1", "d4"]
    assert {name: reason for name, (reason, _) in gone.items()} == {"d0": "seen", "d2": "near_duplicate", "d3": "seen"}
    assert gone["d3"][1].endswith("= 1 >= 0.7; old-3")
    assert gone["d0"][1].endswith("; old-0")


def test_all_of_it_is_found_again_whatever_the_pieces(tmp_path):
    seen = index_of(OLD, OLD_IDS, tmp_path / "old")
    whole = mark(MinHash(seen=[seen]), documents(OLD))
    for row, old in zip(whole.to_pylist(), OLD_IDS, strict=True):
        wordless = not any(c.isalnum() for c in row["text"])
        assert row["dedup.minhash_seen"] == (None if wordless else old)
        assert row["dedup.minhash_seen_similarity"] == (None if wordless else 1.0)
    for size in (1, 4):
        assert mark(MinHash(seen=[seen]), documents(OLD), size).equals(whole)


def test_two_indexes_are_one_larger_one(tmp_path):
    one = index_of(OLD[:3], OLD_IDS[:3], tmp_path / "one")
    two = index_of(OLD[3:], OLD_IDS[3:], tmp_path / "two")
    both = index_of(OLD, OLD_IDS, tmp_path / "both")
    assert mark(MinHash(seen=[one, two]), documents(OLD)).equals(mark(MinHash(seen=[both]), documents(OLD)))


def test_what_is_like_old_ones_neither_keeps_nor_loses_others(tmp_path):
    words = [f"w{n}" for n in range(100)]
    seen = index_of([" ".join(words[:60])], ["old"], tmp_path / "old", n=1, threshold=0.5)
    texts = [" ".join(words[20:80]), " ".join(words[40:100])]
    stage = MinHash(n=1, threshold=0.5, bands=128, rows=1, seen=[seen])
    kept, gone = outcome(stage, documents(texts))
    assert kept == ["d1"]
    assert gone["d0"][0] == "seen"


def test_an_index_of_another_kind_is_refused(tmp_path):
    seen = index_of(["some text"], ["a"], tmp_path / "old", n=3)
    with pytest.raises(UserError, match="n = 3, this step has 5"):
        mark(MinHash(seen=[seen]), documents(["some text"]))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no index"):
        mark(MinHash(seen=[str(tmp_path / "none")]), documents(["some text"]))


def test_an_empty_index_holds_nothing(tmp_path):
    seen = index_of([], [], tmp_path / "old")
    marks = mark(MinHash(seen=[seen]), documents(["some text"]))
    assert marks.column("dedup.minhash_seen").to_pylist() == [None]
    assert marks.schema.field("dedup.minhash_seen").type == pa.string()
