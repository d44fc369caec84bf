from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.engine.tasks import added
from hornbook.stages.evaluate._comparing import sums, tables
from hornbook.stages.evaluate._selfchecking import ngram, similarity, verdict
from hornbook.stages.evaluate.selfcheck import Selfcheck
from tests.contract import Example, recipe_of, run, table_of
from tests.corpus import HOSTILE

OWN = ["The fox is red.", "The fox flies."]
SAMPLES = [["The fox is red.", "It runs."], ["A fox is red."]]
EXAMPLE = Example(
    knobs={"k": 3, "scorers": ["similarity", "ngram", "prompt"], "sentences": 3, "max_similarity": 0.9, "least": 1},
    rows=[
        {"id": "a", "prompt": "Tell of Lily and Tom.", "text": "Lily lived near the park with Tom. Tom went to Mars."},
        {"id": "b", "prompt": "说说熊猫。", "text": "熊猫吃竹子。它住在山里。", "prompts.topic": "熊猫"},
        {"id": "c", "messages": json.dumps([{"role": "user", "content": "Go on."}]), "text": "On. On. On."},
        {"id": "d", "prompt": "Nothing came.", "text": ""},
        {"id": "e", "text": "Nobody asked for it."},
        *({"id": f"h-{name}", "prompt": "x", "text": HOSTILE[name]} for name in ("nul", "bidi", "markup", "digits")),
    ],
    teacher={"use": "scripted", "rule": "story"},
    golden={"1": "aa01138d77a7e1dcb482499708af3e03"},
)


def test_ngram_worked_by_hand():
    """17 words in the text and the samples together; p = how often a word is among them / 17."""
    means, most, whole, peak = ngram(OWN, SAMPLES, 1)
    counts = {"the": 3, "fox": 4, "is": 3, "red": 3, "flies": 1}
    first = [-math.log(counts[word] / 17) for word in ("the", "fox", "is", "red")]
    second = [-math.log(counts[word] / 17) for word in ("the", "fox", "flies")]
    assert sum(counts.values()) + len(["it", "runs", "a"]) == 17
    assert means.tolist() == pytest.approx([np.mean(first), np.mean(second)])
    assert most.tolist() == pytest.approx([max(first), -math.log(1 / 17)])
    assert whole == pytest.approx(np.mean([*first, *second]))
    assert peak == pytest.approx(np.mean([max(first), max(second)]))


def test_bigrams_begin_anew_with_each_sentence():
    means, most, _, _ = ngram(["a b", "a b"], [["b a"], ["a b"]], 2)
    # begin-a 3, a-b 3, begin-b 1, b-a 1
    assert means.tolist() == pytest.approx([-math.log(3 / 8)] * 2)
    assert most.tolist() == pytest.approx([-math.log(3 / 8)] * 2)
    assert ngram(["b a"], [["a b"]] * 3, 2)[1].tolist() == pytest.approx([-math.log(1 / 8)])


def test_what_samples_do_not_say_is_doubted_more():
    for n in (1, 2, 3):
        means, most, _, _ = ngram(OWN, SAMPLES, n)
        assert means[0] < means[1]
        assert most[0] < most[1]
    [scores] = similarity([OWN], [SAMPLES], "wordllama")
    assert scores[0] < scores[1]


def test_similarity_is_the_mean_over_samples_of_the_nearest_sentence():
    from hornbook.kernels.embedders import embedder

    flat = [*OWN, *SAMPLES[0], *SAMPLES[1]]
    vectors = embedder("wordllama")(pa.array(flat)).astype(float)
    cosines = vectors[:2] @ vectors[2:].T
    expected = 1 - (cosines[:, :2].max(axis=1) + cosines[:, 2]) / 2
    [scores, alone, none] = similarity([OWN, OWN, OWN], [SAMPLES, [SAMPLES[0], []], []], "wordllama")
    assert scores.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert alone[0] == pytest.approx(0, abs=1e-5), "a sample without a sentence does not count"
    assert none.tolist() == [1.0, 1.0]
    assert [part.tolist() for part in similarity([[], []], [SAMPLES, []], "wordllama")] == [[], []]


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ("Yes", 0), ("yes, it does.", 0), ("**No.**", 1), ("No, but yes in part", 1), ("支持", 0), ("不支持。", 1),
        ("是的", 0), ("没有提到", 1), ("Perhaps", 0.5), ("", 0.5), ("I know", 0.5), ("<think>no?</think> Yes", 0),
    ],
)  # fmt: skip
def test_what_a_teacher_says(said, doubt):
    assert verdict(Reply("k", said)) == doubt


def test_no_reply_says_neither():
    assert verdict(None) == verdict(Reply("k", "Yes", error="refusal")) == 0.5


def chain(stage, row, say):
    """All requests of a row, and its replies; `say` makes a reply of a request."""
    table = pa.Table.from_pylist([row])
    [first] = stage.ask(table, "m")
    asked, replies = [first], []
    while asked[-1] is not None:
        replies.append(say(asked[-1]))
        asked.append(stage.again(row, asked, replies))
    last = Reply(**{name: getattr(replies[-1], name) for name in ("key", "text", "error")}, before=tuple(replies[:-1]))
    return asked[:-1], stage.take(table, [last]).to_pylist()[0]


def teacher(request):
    shown = request.messages[0]["content"]
    if "<sentence>" in shown:
        return Reply("q", "Yes" if "flies" not in shown.split("<sentence>")[1] else "No")
    return Reply("s", f"The fox is red. It is number {request.sample}.")


ROW = {"id": "a", "prompt": "Tell of a fox.", "text": " ".join(OWN)}


def test_samples_first_then_a_question_for_each_sentence_and_sample():
    asked, marks = chain(Selfcheck(k=3, scorers=["prompt", "similarity", "ngram"]), ROW, teacher)
    assert [request.sample for request in asked[:3]] == [1, 2, 3], "0 is the text's own"
    assert {request.messages[0]["content"] for request in asked[:3]} == {"Tell of a fox."}
    assert all(request.params == {"temperature": 1.0} for request in asked[:3])
    assert len(asked) == 3 + 2 * 3
    assert len({request.key() for request in asked}) == len(asked)
    assert all(request.params["temperature"] == 0 for request in asked[3:])
    assert [one["prompt"] for one in marks["selfcheck.sentences"]] == [0, 1]
    assert marks["selfcheck.prompt"] == 0.5
    assert len(marks["selfcheck.samples"]) == 3
    assert marks["selfcheck.error"] is None


def test_without_questions_only_samples_are_paid():
    asked, marks = chain(Selfcheck(k=4), ROW | {"sample": 2}, teacher)
    assert [request.sample for request in asked] == [0, 1, 3, 4], "never the text's own"
    assert marks["selfcheck.prompt"] is None
    assert marks["selfcheck.sentences"][0]["similarity"] < marks["selfcheck.sentences"][1]["similarity"]


def test_equal_samples_and_sentences_are_asked_about_once():
    same = {"id": "a", "prompt": "x", "text": "It flies. It flies."}
    asked, marks = chain(
        Selfcheck(k=3, scorers=["prompt"]),
        same,
        lambda r: Reply("k", "No") if r.params["temperature"] == 0 else Reply("k", "Same."),
    )
    assert len(asked) == 3 + 1
    assert [one["prompt"] for one in marks["selfcheck.sentences"]] == [1, 1]


def test_failed_samples_do_not_count_and_are_said():
    def half(request):
        return Reply("k", error="refusal", detail="no") if request.sample % 2 else teacher(request)

    asked, marks = chain(Selfcheck(k=4, scorers=["ngram", "prompt"]), ROW, half)
    assert len(asked) == 4 + 2 * 2
    assert len(marks["selfcheck.samples"]) == 2
    assert marks["selfcheck.error"] == "2 of 4 samples failed: refusal: no"
    _, marks = chain(Selfcheck(k=2, scorers=["ngram", "prompt"]), ROW, lambda r: Reply("k", error="refusal"))
    assert marks["selfcheck.ngram"] is None
    assert marks["selfcheck.samples"] is None


def test_samples_that_exist_need_no_teacher():
    table = pa.Table.from_pylist([ROW | {"others": [" ".join(some) for some in SAMPLES]}, ROW | {"others": None}])
    stage = Selfcheck(samples="others", k=5)
    assert stage.chosen(table) == [False, False]
    assert list(stage.ask(table, "m")) == [None, None]
    first, second = stage.take(table, [Reply(""), Reply("")]).to_pylist()
    assert [one["ngram"] for one in first["selfcheck.sentences"]] == pytest.approx(ngram(OWN, SAMPLES, 1)[0].tolist())
    assert second["selfcheck.error"] == "no samples"
    asked, marks = chain(Selfcheck(samples="others", scorers=["prompt"]), table.to_pylist()[0], teacher)
    assert len(asked) == 4, "two sentences, two samples"
    assert marks["selfcheck.prompt"] == 0.5


def test_the_question_is_in_the_rows_language():
    chinese = Selfcheck(k=1, scorers=["prompt"])
    row = {"id": "a", "prompt": "x", "text": "熊猫吃竹子。"}
    asked, _ = chain(chinese, row, lambda r: Reply("k", "熊猫。{sentence}"))
    assert "支持" in asked[1].messages[0]["content"]
    assert "熊猫。{sentence}" in asked[1].messages[0]["content"], "what a sample says is never taken for a place"
    asked, _ = chain(chinese, row | {"prompts.language": "en"}, lambda r: Reply("k", "x"))
    assert "support" in asked[1].messages[0]["content"]


def test_the_question_may_be_ones_own(tmp_path):
    (tmp_path / "supported.en.txt").write_text("{text} => {sentence}?")
    stage = Selfcheck(k=1, scorers=["prompt"], wording=str(tmp_path))
    asked, _ = chain(stage, ROW, lambda r: Reply("k", "Red."))
    assert asked[1].messages[0]["content"] == "Red. => The fox is red.?"
    (tmp_path / "supported.en.txt").write_text("{text}")
    with pytest.raises(UserError, match="needs"):
        chain(Selfcheck(k=1, scorers=["prompt"], wording=str(tmp_path)), ROW, lambda r: Reply("k", "Red."))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="sentences: 49"):
        Selfcheck(k=20, sentences=60, scorers=["prompt"])
    with pytest.raises(ValueError, match="at least one"):
        Selfcheck(scorers=[])
    with pytest.raises(UserError, match="no column 'others'"):
        list(Selfcheck(samples="others").ask(pa.table({"text": ["x"]}), "m"))
    with pytest.raises(UserError, match="holds string"):
        list(Selfcheck(samples="others").ask(pa.table({"text": ["x"], "others": ["x"]}), "m"))


def test_a_plan_knows_every_request():
    stage = Selfcheck(k=3, scorers=["prompt"], sentences=2)
    asked, _ = chain(stage, ROW, teacher)
    assert 1 + len(stage.ahead()) == len(asked)
    assert [one.name for one in stage.ahead()] == ["sample"] * 2 + ["question"] * 6
    assert len(Selfcheck(k=20).ahead()) == 19
    assert Selfcheck(samples="x").ahead() == []


def test_tables_by_group_worst_first_add_up_over_pieces():
    scores = [0.9, 0.7, 0.1, 0.3, 0.2, None]
    rows = [["sea"], ["sea"], ["sun"], ["sun"], ["fog"], ["sea"]]
    whole = sums(["topic"], rows, {"similarity": scores})
    parts = added(
        sums(["topic"], rows[:3], {"similarity": scores[:3]}), sums(["topic"], rows[3:], {"similarity": scores[3:]})
    )
    found = tables(whole, 2, ["similarity"])
    assert found == tables(parts, 2, ["similarity"])
    worst, best = found["topic"]["worst_first"]
    assert (worst["value"], worst["documents"], worst["similarity"]) == ("sea", 2, 0.8)
    half = 12.706 * np.std([0.9, 0.7], ddof=1) / math.sqrt(2)
    assert worst["similarity_interval"] == pytest.approx([0.8 - half, 0.8 + half], abs=1e-3)
    assert best["value"] == "sun"
    assert found["topic"]["smaller"] == {"groups": 1, "documents": 1, "similarity": 0.2, "similarity_interval": None}
    assert found["all"]["documents"] == 5


def test_through_the_engine(tmp_path):
    found = run(recipe_of("evaluate.selfcheck", EXAMPLE, tmp_path / "c"), tmp_path)[-1]
    table = table_of(found)
    rows = {row["id"]: row for row in table.to_pylist() + (table_of(found, "drops") or table.slice(0, 0)).to_pylist()}
    assert rows["d"]["selfcheck.error"] == "no text"
    assert rows["e"]["selfcheck.error"] == "no prompt"
    assert rows["a"]["selfcheck.similarity"] < 1
    facts = found.manifest["facts"]["doubt"]
    assert [row["value"] for row in facts["prompts.topic"]["worst_first"]] == ["熊猫"]
    assert facts["all"]["documents"] >= 5
