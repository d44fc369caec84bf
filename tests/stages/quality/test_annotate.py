from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.stages.quality._scores import expectation, score_in
from hornbook.stages.quality.annotate import Annotate
from tests.contract import Example, recipe_of, run, table_of
from tests.corpus import rows

EXAMPLE = Example(knobs={"share": 0.6, "second": 0.5}, golden={"1": "1d434a48a710c10d3a60fc9a2430ed35"})
NAMES = [f"quality.annotation{end}" for end in ("", "_2", "_said", "_mass", "_reply", "_error", "_request")]


def documents(many: int) -> pa.Table:
    return pa.table({"id": [f"d{n}" for n in range(many)], "text": [f"Text {n} of many." for n in range(many)]})


def asked(stage: Annotate, table: pa.Table) -> set[str]:
    requests = list(stage.ask(table, "m"))
    return {key for key, request in zip(table["id"].to_pylist(), requests, strict=True) if request is not None}


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ('{"score": 3}', 3.0),
        ('```json\n{"reasons": "It has 2 parts and 7 lines.", "score": 4}\n```', 4.0),
        ("Educational score: 5", 5.0),
        ("**Score:** 2", 2.0),
        ("Educational value rating: 1/5", 1.0),
        ("I would give it 4 out of 5 points.", 4.0),
        ("Points for 1 and 2, but not 3. Total score is 2.", 2.0),
        ("The score starts at 0.\nScore: 3.5", 3.5),
        (" 4\n", 4.0),
        ("4.", 4.0),
        ("<think>Score: 1? No.</think> Score: 4", 4.0),
        ("score: 3\nfinal score = 4", 4.0),
        ("I say 3, firmly.", 3.0),
        ("Score: 7", None),
        ("Score: 40%", None),
        ("8 out of 10", None),
        ("It has 2 parts and 3 lines.", None),
        ("v1.2.3 is what it needs", None),
        ("", None),
        ("分数:3", 3.0),
        ("🎓🎓🎓", None),
        ("النتيجة: score ٣", 3.0),
    ],
)
def test_a_score_is_found_in_words(reply, score):
    found = score_in(reply, 0, 5)
    assert (found and found[0]) == score
    if found is not None:
        assert int(reply[found[1]]) == int(score)


@given(st.text(), st.integers(0, 9), st.integers(1, 90))
def test_any_reply_is_read(reply, lowest, more):
    found = score_in(reply, lowest, lowest + more)
    assert found is None or lowest <= found[0] <= lowest + more


def place(token: str, **others: float) -> dict:
    """A place of a reply with the probabilities of what might stand there."""
    listed = [{"token": t.replace("_", " "), "logprob": math.log(p)} for t, p in others.items()]
    own = next((one["logprob"] for one in listed if one["token"] == token), math.log(0.5))
    return {"token": token, "logprob": own, "top_logprobs": listed}


def test_the_mean_of_the_score_tokens():
    content = [place('{"'), place("score"), place('":'), place("3", **{"3": 0.5, "4": 0.25, "_2": 0.05, "no": 0.2})]
    mean, mass = expectation({"content": [*content, place("}")]}, 0, 5)
    assert mean == pytest.approx((3 * 0.5 + 4 * 0.25 + 2 * 0.05) / 0.8)
    assert mass == pytest.approx(0.8)


def test_numbers_off_the_scale_have_no_part_in_it():
    assert expectation({"content": [place("3", **{"3": 0.4, "9": 0.6})]}, 0, 5) == pytest.approx((3.0, 0.4))


def test_ten_in_two_tokens():
    content = [place("1", **{"1": 0.5, "9": 0.5}), place("0", **{"0": 0.8, "_": 0.2})]
    mean, mass = expectation({"content": content}, 0, 10)
    assert mean == pytest.approx(9 * 0.5 + 10 * 0.4 + 1 * 0.1)
    assert mass == pytest.approx(1.0)


@pytest.mark.parametrize(
    "given", [None, {}, {"content": None}, {"content": []}, {"content": ["3"]}, {"content": [{"token": "3"}]}, 7]
)
def test_without_probabilities_there_is_no_mean(given):
    assert expectation(given, 0, 5) is None


def test_who_is_asked_is_a_matter_of_id_and_seed():
    table = documents(2000)
    some = asked(Annotate(share=0.1, seed=3), table)
    assert 140 < len(some) < 260
    assert some == asked(Annotate(share=0.1, seed=3), table.take(pa.array(range(1999, -1, -1))))
    assert some < asked(Annotate(share=0.2, seed=3), table), "a larger sample holds the smaller one"
    assert some != asked(Annotate(share=0.1, seed=4), table)
    assert asked(Annotate(share=1.0), table) == set(table["id"].to_pylist())


def test_the_second_time_the_document_comes_first():
    stage = Annotate(share=1.0, second=1.0)
    table = documents(1)
    first = next(stage.ask(table, "m"))
    second = stage.again(table.to_pylist()[0], [first], [Reply(first.key(), '{"score": 2}', "stop")])
    one, two = (request.messages[0]["content"] for request in (first, second))
    assert one.index("educational value") < one.index("Text 0")
    assert two.index("Text 0") < two.index("educational value")
    assert (first.sample, second.sample) == (0, 1)
    assert stage.again(table.to_pylist()[0], [first, second], [Reply("a", "1"), Reply("b", "1")]) is None
    assert stage.again(table.to_pylist()[0], [first], [Reply(first.key(), "no idea")]) is None
    assert Annotate(second=0.0).again(table.to_pylist()[0], [first], [Reply(first.key(), "1")]) is None


def test_replies_become_marks():
    table = documents(4)
    sure = {"content": [place("4", **{"4": 0.5, "2": 0.5})]}
    first = Reply("k1", "4", "stop", logprobs=sure)
    replies = [
        Reply("k2", "Score: 1", "stop", before=(first,)),
        Reply("k3", "I cannot say.", "stop"),
        Reply("", error="rejected", detail="no request"),
        Reply("k4", error="refusal", detail="I will not"),
    ]
    marks = Annotate().take(table, replies)
    assert marks.column_names == NAMES
    assert list(marks.to_pylist()[0].values()) == [3.0, 1.0, 4.0, 1.0, "4", None, "k1"]
    assert [row["quality.annotation"] for row in marks.to_pylist()] == [3.0, None, None, None]
    assert [row["quality.annotation_error"] for row in marks.to_pylist()] == [
        None,
        "no score from 0 to 5 in the reply",
        None,
        "refusal: I will not",
    ]
    assert set(marks.to_pylist()[2].values()) == {None}


def test_nobody_is_dropped_and_a_sample_has_scores(tmp_path):
    found = table_of(run(recipe_of("quality.annotate", EXAMPLE, tmp_path / "in"), tmp_path)[-1])
    assert found.num_rows == len(rows())
    scored = [row for row in found.to_pylist() if row["quality.annotation"] is not None]
    assert 0 < len(scored) < found.num_rows
    assert all(0 <= row["quality.annotation"] <= 5 for row in scored)
    assert 0 < sum(row["quality.annotation_2"] is not None for row in scored) < len(scored)
    empty = next(row for row in found.to_pylist() if row["id"] == "hostile-empty")
    assert empty["quality.annotation_request"] is None, "nothing to be judged: nobody is asked"


def test_what_is_asked_for():
    table = documents(1)
    plain = next(Annotate(share=1.0).ask(table, "m"))
    assert plain.schema["properties"] == {"score": {"type": "integer", "enum": [0, 1, 2, 3, 4, 5]}}
    assert plain.params == {"max_tokens": 24, "temperature": 0.0, "logprobs": True, "top_logprobs": 20}
    knobs = {"reasons": True, "bind": False, "logprobs": False, "temperature": None, "highest": 10, "max_tokens": 400}
    free = next(Annotate(share=1.0, **knobs).ask(table, "m"))
    assert (free.schema, free.params) == (None, {"max_tokens": 400})
    assert "from 0 to 10" in free.messages[0]["content"]
    long = pa.table({"id": ["x"], "text": ["é" * 5000]})
    assert next(Annotate(share=1.0, characters=100).ask(long, "m")).messages[0]["content"].count("é") == 100


@pytest.mark.parametrize("name", ["rubric_prose.txt", "rubric_python.txt"])
def test_shipped_rubrics_have_a_place_for_the_document(name):
    assert "Text 0" in next(Annotate(rubric=f"shipped:{name}", share=1.0).ask(documents(1), "m")).messages[0]["content"]


def test_a_rubric_of_ones_own(tmp_path):
    path = tmp_path / "rubric.txt"
    path.write_text("Wie gut? {document} Sag es.", encoding="utf-8")
    assert "Wie gut?" in next(Annotate(rubric=str(path), share=1.0).ask(documents(1), "m")).messages[0]["content"]
    path.write_text("Wie gut?", encoding="utf-8")
    with pytest.raises(UserError, match="0 times"):
        list(Annotate(rubric=str(path), share=1.0).ask(documents(1), "m"))
    with pytest.raises(UserError, match="cannot read"):
        list(Annotate(rubric=str(tmp_path / "no.txt"), share=1.0).ask(documents(1), "m"))


def test_a_scale_has_two_ends():
    with pytest.raises(ValueError, match="above lowest"):
        Annotate(lowest=5, highest=5)


def test_reasons_need_room():
    with pytest.raises(ValueError, match="max_tokens: 24"):
        Annotate(reasons=True)
