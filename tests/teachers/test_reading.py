"""Law: whatever comes over the wire is read into a Reply; what cannot be used says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Raw
from hornbook.teachers.reading import read_reply
from tests.corpus import HOSTILE
from tests.teachers.serving import chat

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
FIELDS = ("choices", "message", "content", "text", "usage", "prompt_tokens", "error", "finish_reason", "refusal")
SHAPED = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=30,
)


def read(body: Any, seconds: float = 1.5) -> Any:
    return read_reply("k", Raw(body if isinstance(body, bytes) else json.dumps(body).encode(), seconds))


@given(st.binary(max_size=400))
def test_never_raises_on_any_bytes(body):
    reply = read(body)
    assert reply.key == "k"
    assert reply.error is not None
    assert reply.detail


@given(SHAPED)
def test_never_raises_on_json_of_nearly_the_right_form(value):
    reply = read(value)
    assert isinstance(reply.text, str)
    assert reply.prompt_tokens >= 0
    assert (reply.error is None) == bool(reply.text.strip()) or reply.error in ("refusal", "filter")


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 200))
def test_every_cut_of_a_reply_is_an_error_and_the_whole_is_not(text, share):
    body = json.dumps(chat(text)).encode()
    cut = read(body[: len(body) * share // 201])
    assert cut.error == "parse"
    whole = read(body)
    assert (whole.text, whole.error, whole.finish) == (text, None, "stop")
    assert (whole.prompt_tokens, whole.completion_tokens, whole.seconds) == (7, 3, 1.5)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_text_comes_back_as_it_was(name):
    text = HOSTILE[name]
    reply = read(chat(text))
    assert reply.text == text
    assert reply.error == (None if text.strip() else "empty")


def test_completions_parts_and_log_probabilities():
    places = {"content": [{"token": "a", "logprob": -0.5}]}
    assert read({"choices": [{"text": "once", "finish_reason": "stop", "logprobs": places}]}).logprobs == places
    assert read(chat([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}])).text == "ab"


def test_length_is_for_the_stage_to_judge():
    reply = read(chat("half a sto", "length"))
    assert (reply.finish, reply.error) == ("length", None)


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (chat(None, refusal="I cannot."), "refusal", "I cannot."),
        (chat("so far", "content_filter"), "filter", "6 characters"),
        (chat(""), "empty", "stop"),
        (chat(" \n\t"), "empty", "no text"),
        (chat(None), "empty", "no text"),
        ({"error": {"message": "overloaded"}}, "rejected", "overloaded"),
        ({"choices": []}, "parse", "no choices"),
        ({"choices": [{"index": 0}]}, "parse", "no text"),
        (b"", "parse", "empty body"),
        (b"<html>502 Bad Gateway</html>", "parse", "<html>"),
        (b"[1]", "parse", "not a JSON object"),
        (b"\xff\xfe\x00", "parse", "not JSON"),
    ],
)
def test_each_fault_has_its_class_and_its_evidence(body, error, said):
    reply = read(body)
    assert reply.error == error
    assert said in reply.detail


def test_a_giant_reply_is_quoted_shortly():
    assert len(read(b"x" * 10_000_000).detail) < 500
