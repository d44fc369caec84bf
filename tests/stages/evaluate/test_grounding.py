from __future__ import annotations

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.stages.evaluate._supporting import Facts, cut, names
from hornbook.stages.evaluate.grounding import Grounding
from tests.contract import Example
from tests.corpus import HOSTILE

PASSAGE = (
    "Radio waves were found by Heinrich Hertz in 1887. They travel at 300,000 kilometres a second. Guglielmo Marconi "
    "sent a message across the Atlantic in 1901."
)
CHINESE = "大熊猫住在四川的山里。它们每天吃十二公斤竹子。《熊猫日记》写于1998年。"
TRUE = "Hertz found radio waves in 1887."
FALSE = "Radio waves were found by Nikola Tesla in 1887."
EXAMPLE = Example(
    knobs={"min_supported": 0.5},
    rows=[
        {"id": "a", "text": f"{TRUE} They travel at 300000 kilometres a second.", "passages": [{"text": PASSAGE}]},
        {"id": "b", "text": f"{FALSE} Cabbages are green and slow.", "passages": [{"text": PASSAGE}]},
        {"id": "c", "text": "大熊猫住在四川。它每天吃九十公斤竹子。", "passages": [{"text": CHINESE}, {"text": FALSE}]},
        {"id": "d", "text": "Nothing to hold it against.", "passages": []},
        *(
            {"id": f"h-{name}", "text": text, "passages": [{"text": PASSAGE}, {"text": text}]}
            for name, text in HOSTILE.items()
            if name in ("empty", "nul", "bidi", "repeat", "digits")
        ),
    ],
    golden={"1": "e66b7a2a50639481282ca52f0421ab64"},
)  # fmt: skip


def marks(text, *passages, **knobs):
    table = pa.table({"text": [text], "passages": [list(passages)]})
    [row] = Grounding(**knobs).each(table).to_pylist()
    return {name.removeprefix("grounding."): value for name, value in row.items()}


def test_a_passages_own_sentences_are_supported_and_others_not():
    found = marks(f"{PASSAGE} Cabbages are green and slow. Bread needs flour.", PASSAGE)
    assert (found["sentences"], found["supported"], found["missing"]) == (5, 0.6, 0)
    assert found["unsupported"] == ["Cabbages are green and slow.", "Bread needs flour."]
    assert marks(PASSAGE, PASSAGE)["score"] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("sentence", "passage", "has"),
    [
        ("Hertz found them in 1887.", PASSAGE, True),
        ("Hertz found them in 1888.", PASSAGE, False),
        ("It was Tesla who found them.", PASSAGE, False),
        ("The speed is 300000 kilometres.", PASSAGE, True),
        ("The speed is 300 kilometres.", PASSAGE, False),
        ("The speed is 3.5.", "The speed is 5.3 or 3 or 5.", False),
        ("They have 2 eyes.", "They have two eyes.", True),
        ("Tesla found them.", PASSAGE, True),
        ("大熊猫每天吃十二公斤。", CHINESE, True),
        ("大熊猫每天吃二十公斤。", CHINESE, False),
        ("书名是《熊猫日记》。", CHINESE, True),
        ("书名是《老虎日记》。", CHINESE, False),
        ("它写于1997年。", CHINESE, False),
    ],
)
def test_numbers_names_and_titles_must_be_there(sentence, passage, has):
    """A name that begins a sentence cannot be told from any other word there."""
    assert Facts(passage).has(sentence) is has


def test_a_wrong_number_or_name_is_not_supported_however_much_else_is():
    assert marks(PASSAGE.replace("1887", "1886"), PASSAGE)["missing"] == 1
    assert marks("Radio waves were found by Nikola Tesla in 1887.", PASSAGE)["supported"] == 0
    assert marks("Radio waves were found by Nikola Tesla in 1887.", PASSAGE, missing=1.0)["supported"] == 1


def test_titles_and_shouts_name_nobody():
    assert names("The History Of Radio Waves") == []
    assert names("It was Heinrich Hertz, I think") == ["Heinrich", "Hertz"]


@pytest.mark.parametrize("value", [[{"text": PASSAGE, "source": "x", "score": 1.0}], [PASSAGE], PASSAGE])
def test_passages_lists_and_texts_are_all_the_same_to_it(value):
    table = pa.table({"text": [TRUE], "notes": [value]})
    [row] = Grounding(reference="notes").each(table).to_pylist()
    assert row["grounding.supported"] == 1.0


def test_without_passages_or_sentences_nothing_is_said():
    assert set(marks("A text.").values()) == {None}
    assert set(marks("", PASSAGE).values()) == {None}
    assert set(marks("A text.", "", "...").values()) == {None}


def test_rows_know_nothing_of_each_other():
    texts = [f"{TRUE} {FALSE}", "大熊猫住在四川。", "", FALSE]
    passages = [[PASSAGE], [CHINESE], [PASSAGE], [CHINESE, PASSAGE]]
    together = Grounding(reference="p").each(pa.table({"text": texts, "p": passages})).to_pylist()
    alone = [
        Grounding(reference="p").each(pa.table({"text": [t], "p": [p]})).to_pylist()[0]
        for t, p in zip(texts, passages, strict=True)
    ]
    assert together == alone


def test_words_alone_may_decide():
    both, words = marks(TRUE, PASSAGE), marks(TRUE, PASSAGE, embedding="none")
    assert both["score"] != words["score"]
    with pytest.raises(ValueError, match="model2vec:NAME"):
        Grounding(embedding="no")


def test_a_text_is_looked_at_up_to_a_limit():
    assert cut("One is. Two is. Three is.", 20) == ("One is.", "Two is.")
    assert cut("x" * 50, 20) == ("x" * 20,)
    assert marks(f"{TRUE} " * 100, PASSAGE, characters=100)["sentences"] == 3


@pytest.mark.parametrize(
    ("column", "says"), [({"other": ["x"]}, "no column 'passages'"), ({"passages": [1]}, "holds int64")]
)
def test_mistakes_are_said(column, says):
    with pytest.raises(UserError, match=says):
        Grounding().each(pa.table({"text": ["x"], **column}))


def test_facts_add_up():
    stage = Grounding()
    one = stage.measure(stage.each(pa.table({"text": [f"{TRUE} {FALSE}", "x"], "passages": [[PASSAGE], []]})))
    two = stage.measure(stage.each(pa.table({"text": [TRUE], "passages": [[PASSAGE]]})))
    facts = stage.facts({name: one[name] + two[name] for name in one if name != "shares"} | {"shares": one["shares"]})
    assert (facts["documents"], facts["with_passages"], facts["sentences"], facts["supported"]) == (3, 2, 3, 2)
    assert facts["share_supported"] == pytest.approx(2 / 3, abs=1e-4)
    assert facts["by_share"] == {"0.5-0.6": 1}
    assert stage.facts({})["mean_score"] == 0
