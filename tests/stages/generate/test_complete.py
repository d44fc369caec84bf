"""generate.complete: one request a row, only what is set is sent, every reply has one fate."""

import json
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Raw, Reply
from hornbook.core.documents import with_columns
from hornbook.core.errors import UserError
from hornbook.core.rules import select
from hornbook.stages.generate.complete import Complete
from hornbook.teachers.reading import read_reply
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell a story."}]
ROWS = [
    {"id": f"p-{at}", "text": "", "origin": f"prompts.jsonl:{at}", "prompt": prompt, "messages": messages}
    for at, (prompt, messages) in enumerate(
        [(text, None) for text in [*STORIES, *HOSTILE.values()]]
        + [(None, json.dumps(CHAT)), ("spare", json.dumps(CHAT)), ("fallback", "")]
        + [(None, m) for m in ("not json", "[]", "{}", '[{"role": "user"}]', '[{"role": "user", "content": 7}]')]
    )
]
EXAMPLE = Example(
    knobs={"max_tokens": 80, "system": "You tell stories.", "min_characters": 5},
    rows=ROWS,
    teacher={"use": "scripted", "rule": "story"},
    golden={"1": "84e87344458795ff80815f08f6c4d4ed"},
)
BROKEN = 5
EMPTY = sum(1 for row in ROWS if not row["messages"] and not row["prompt"].strip())


def table(rows=ROWS):
    return pa.Table.from_pylist(rows)


def one(prompt="Tell a story.", **columns):
    return table([{"id": "a", "text": "", "prompt": prompt, **columns}])


def taken(reply, **knobs):
    """(the row with its marks, the reason it is dropped for or None)."""
    stage, piece = Complete(**knobs), one()
    whole = with_columns(piece, stage.take(piece, [reply]))
    kept, dropped = select(whole, stage.drops())
    return (kept.to_pylist() or dropped.to_pylist())[0], dropped.to_pylist()[0]["reason"] if dropped.num_rows else None


def test_one_request_a_row_in_order():
    requests = list(Complete().ask(table(), "m"))
    assert len(requests) == len(ROWS)
    assert sum(request is None for request in requests) == BROKEN + EMPTY
    for row, request in zip(ROWS, requests, strict=True):
        if request is not None:
            wanted = json.loads(row["messages"]) if row["messages"] else [{"role": "user", "content": row["prompt"]}]
            assert [dict(message) for message in request.messages] == wanted
    assert [r and r.key() for r in requests] == [r and r.key() for r in Complete().ask(table(), "m")]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(1, 9999),
            "temperature": st.floats(0, 5),
            "top_p": st.floats(0.01, 1),
            "top_k": st.integers(0, 100),
            "min_p": st.floats(0, 1),
            "repetition_penalty": st.floats(0.5, 2),
            "frequency_penalty": st.floats(-2, 2),
            "presence_penalty": st.floats(-2, 2),
            "stop": st.lists(st.text(), max_size=3),
        },
    )
)
def test_only_what_is_set_is_sent(knobs):
    (request,) = Complete(**knobs).ask(one(), "m")
    assert dict(request.params) == knobs
    assert request.model == "m"


def test_the_system_message_goes_first_and_replaces_none():
    plain, chat = Complete(system="S").ask(table([ROWS[0], ROWS[-BROKEN - 3]]), "m")
    assert [m["role"] for m in plain.messages] == ["system", "user"]
    assert plain.messages[0]["content"] == "S"
    assert list(chat.messages) == CHAT


def test_messages_as_a_column_of_lists_are_taken_too():
    piece = pa.table({"id": ["a"], "messages": [CHAT]})
    assert list(next(Complete().ask(piece, "m")).messages) == CHAT


def test_without_prompts_it_is_a_users_mistake():
    with pytest.raises(UserError, match="neither") as caught:
        list(Complete().ask(pa.table({"id": ["a"], "text": ["x"]}), "m"))
    assert "sources.prompts" in caught.value.fix


def test_a_good_reply_becomes_the_text():
    reply = Reply("k", " A story. \n", "stop", prompt_tokens=7, completion_tokens=3, seconds=1.5)
    row, reason = taken(reply)
    assert reason is None
    assert row["text"] == "A story."
    assert (row["prompt"], row["generate.finish"], row["generate.request"]) == ("Tell a story.", "stop", "k")
    assert (row["generate.prompt_tokens"], row["generate.tokens"], row["generate.characters"]) == (7, 3, 8)
    assert (row["generate.error"], row["generate.detail"], row["generate.trimmed"]) == (None, None, 0)


@pytest.mark.parametrize("error", ["refusal", "filter", "parse", "length", "empty", "transport", "rejected"])
def test_each_class_of_error_is_a_reason_with_its_evidence(error):
    row, reason = taken(Reply("k", "half", error=error, detail=f"the {error}"))
    assert reason == error
    assert f"the {error}" in row["evidence"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>502</html>", "parse"),
        (b'{"choices": []}', "parse"),
        (b'{"error": {"message": "no"}}', "rejected"),
        (b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}', "empty"),
        (b'{"choices": [{"message": {"content": null, "refusal": "I will not"}}]}', "refusal"),
        (b'{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}', "filter"),
        ('{"choices": [{"message": {"content": "\u202eHi.\\u0000"}}]}'.encode(), None),
    ],
)
def test_what_servers_say_ends_in_the_right_place(body, reason):
    assert taken(read_reply("k", Raw(body, 0.1)))[1] == reason


def test_a_reply_that_never_got_to_its_text_is_of_length_or_empty():
    assert taken(Reply("k", "  ", "length", completion_tokens=9))[1] == "length"
    assert taken(Reply("k", "", "stop"))[1] == "empty"


def test_thresholds():
    cut = Reply("k", "A story. Then it", "length")
    assert taken(cut)[1] is None
    assert taken(cut, drop_truncated=True)[1] == "truncated"
    assert taken(cut, min_characters=8)[1] is None
    assert taken(cut, min_characters=9)[1] == "short"
    assert taken(cut, min_characters=9, trim="none")[1] is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two", "One."),
        ('He ran. "Stop!" she sa', 'He ran. "Stop!"'),
        ("“Why?” he asked", "“Why?”"),
        ("It cost 3.50 and then", "It cost 3.50 and then"),
        ("She waved. She saw Mr. Bro", "She waved."),
        ("小狐狸跑了。然后它", "小狐狸跑了。"),
        ("no end at all", "no end at all"),
        ("Whole. Sentences.", "Whole. Sentences."),
        ("One...\n\nTwo", "One..."),
        ("یہ کہانی ہے۔ پھر", "یہ کہانی ہے۔"),
    ],
)
def test_an_unfinished_sentence_is_taken_off(text, kept):
    row, _ = taken(Reply("k", text, "length"))
    assert row["text"] == kept
    assert row["generate.trimmed"] == len(text) - len(kept)
    assert taken(Reply("k", text, "stop"))[0]["text"] == text
    assert taken(Reply("k", text, "length"), trim="none")[0]["text"] == text


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), finish=st.sampled_from(["stop", "length"]))
def test_a_text_is_only_ever_cut_at_its_end_and_only_once(text, finish):
    row, _ = taken(Reply("k", text, finish))
    assert text.strip().startswith(row["text"])
    assert len(row["text"]) + row["generate.trimmed"] == len(text.strip())
    assert taken(Reply("k", row["text"], finish))[0]["text"] == row["text"].strip()
    assert bool(row["text"]) == bool(text.strip())


@pytest.mark.parametrize(
    "text", ["." * 2_000_000, "(" * 2_000_000, '."' * 1_000_000, "a" * 10_000_000, " " * 10_000_000]
)
def test_long_replies_take_no_time(text):
    began = time.monotonic()
    taken(Reply("k", text, "length"))
    assert time.monotonic() - began < 5


def test_rows_without_a_request_say_what_is_wrong_and_cost_nothing():
    stage, piece = Complete(), table()
    replies = [
        Reply("", error="rejected", detail="no request") if r is None else Reply(r.key(), "Yes.", "stop")
        for r in stage.ask(piece, "m")
    ]
    marks = stage.take(piece, replies)
    kept, dropped = select(with_columns(piece, marks), stage.drops())
    assert set(dropped["reason"].to_pylist()) == {"rejected"}
    assert (kept.num_rows, dropped.num_rows) == (len(ROWS) - BROKEN - EMPTY, BROKEN + EMPTY)
    said = " ".join(dropped["evidence"].to_pylist())
    for words in ("the prompt is empty", "not JSON", "not a list", "message 0 is not an object"):
        assert words in said


def test_the_time_a_reply_took_is_no_mark():
    slow, fast = (Reply("k", "Yes.", "stop", seconds=s) for s in (9.0, 0.1))
    assert taken(slow)[0] == taken(fast)[0]


def test_several_samples_of_one_prompt_are_several_requests():
    piece = pa.table({"id": ["a", "a#1", "b"], "prompt": ["same", "same", "same"], "sample": [0, 1, None]})
    first, second, third = Complete().ask(piece, "m")
    assert (first.sample, second.sample) == (0, 1)
    assert first.key() != second.key()
    assert first == third == next(Complete().ask(piece.drop_columns("sample").slice(0, 1), "m"))
