from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.stages.quality.language import Language
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(knobs={"languages": ["en", "zh"], "min_score": 0.3}, golden={"1": "be9349ed1b5a22d081c8ec374125d836"})
SAID = {
    "en": STORIES[0],
    "zh": STORIES[3],
    "ar": STORIES[4],
    "th": HOSTILE["thai"],
    "de": "Es war einmal ein kleiner Fuchs, der grub gern in der weichen braunen Erde und fand einen blauen Knopf.",
    "fr": "Il était une fois un petit renard qui aimait creuser la terre brune et qui trouva un bouton bleu.",
    "ru": "Жила-была маленькая лиса, которая любила копать землю и однажды нашла красивую синюю пуговицу.",
    "ja": "小さなきつねは森の中で青いボタンを見つけました。きつねはとても喜んで、それを家に持って帰りました。",
}


def test_languages_are_named() -> None:
    found = mark(Language(), documents(list(SAID.values()))).column("quality.language").to_pylist()
    assert found == list(SAID)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=200) | st.sampled_from([*SAID.values(), "HELLO THERE"]), min_size=1, max_size=5))
@example(["ªA", "ªÂ", "ƢA", "\u01c5A", "HELLO THERE"])
def test_marks_are_the_librarys(texts: list[str]) -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    library = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True) if not _KEPT else _KEPT[0]
    _KEPT[:] = [library]
    for row, text in zip(mark(Language(), documents(texts)).to_pylist(), texts, strict=True):
        name, score = library.classify(text)
        if row["quality.language"] is None:
            assert score < 0.1
        elif row["quality.language"] != name:
            ranked = dict(library.rank(text))
            assert ranked[row["quality.language"]] == pytest.approx(score, abs=1e-3), (text, name)
        else:
            assert row["quality.language_score"] == pytest.approx(score, abs=1e-3)


_KEPT: list = []


def test_others_leave_and_the_language_is_the_evidence() -> None:
    kept, gone = outcome(Language(languages=["en", "zh"]), documents(list(SAID.values())))
    assert kept == ["d0", "d1"]
    assert gone["d4"][0] == "other_language"
    assert gone["d4"][1].endswith("de")
    assert outcome(Language(min_score=1.0), documents([STORIES[3]]))[1]["d0"][0] == "unsure_language"


def test_only_the_beginning_is_looked_at() -> None:
    text = SAID["de"] + SAID["zh"] * 400
    assert mark(Language(characters=90), documents([text])).column("quality.language").to_pylist() == ["de"]


def test_hostile_texts_are_marked() -> None:
    table = documents([*HOSTILE.values(), "x" * 10_000_000, ""])
    found = mark(Language(), table).column("quality.language").to_pylist()
    assert found[0] is None
    assert found[-1] is None
