"""Laws of the scripted teacher: the same request gets the same reply, from the file or the rule."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.asking import Reply, Request, TeacherError
from hornbook.core.errors import UserError
from hornbook.teachers.reading import read_reply
from hornbook.teachers.scripted import Scripted
from hornbook.teachers.spec import TeacherSpec


def say(request: Request, **knobs) -> Reply:
    async def main():
        async with Scripted(TeacherSpec(use="scripted", **knobs)) as teacher:
            return await teacher.ask(request)

    return read_reply(request.key(), asyncio.run(main()))


def user(text: str, **fields) -> Request:
    return Request("scripted", messages=({"role": "user", "content": text},), **fields)


@given(st.text(), st.integers(0, 3))
def test_the_same_request_gets_the_same_reply(text, sample):
    request = Request("m", prompt=text, sample=sample)
    assert say(request, rule="story") == say(request, rule="story")
    assert say(request, rule="echo").text == text
    assert say(user(text), rule="echo").text == text


def test_stories_differ_and_hold_the_words_asked_for():
    texts = [say(user("Use the words pumpkin, whisper and lantern", sample=n), rule="story").text for n in range(50)]
    assert len(set(texts)) == 50
    assert all("pumpkin" not in t and "whisper" in t and "lantern" in t for t in texts)
    assert all(40 < len(t.split()) < 200 for t in texts)


def test_replies_are_cut_at_max_tokens_and_say_so():
    reply = say(user("one two three four", params={"max_tokens": 2}))
    assert (reply.text, reply.finish, reply.completion_tokens) == ("one two", "length", 2)
    whole = say(user("one two", params={"max_tokens": 2}))
    assert (whole.text, whole.finish) == ("one two", "stop")


SCHEMA = {
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "why": {"type": "string", "maxLength": 12},
        "level": {"enum": ["low", "high"]},
        "sure": {"type": "boolean"},
        "share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "kind": {"anyOf": [{"const": "story"}, {"type": "null"}]},
    },
}


@pytest.mark.parametrize("rule", ["echo", "story"])
def test_a_schema_is_kept(rule):
    for n in range(20):
        found = json.loads(say(user("judge", schema=SCHEMA, sample=n), rule=rule).text)
        assert found.keys() == SCHEMA["properties"].keys()
        assert 1 <= found["score"] <= 5
        assert len(found["why"]) <= 12
        assert found["level"] in ("low", "high")
        assert isinstance(found["sure"], bool)
        assert 0 <= found["share"] <= 1
        assert len(found["tags"]) == 2
        assert found["kind"] == "story"


def test_lines_of_a_file_answer_in_order_and_the_rule_answers_the_rest(tmp_path):
    keyed = user("by key")
    lines = [
        {"key": keyed.key(), "text": "you had the key"},
        {"match": "(?i)fox", "text": "A fox ran."},
        {"match": "fox|dog", "text": "A dog barked.", "finish": "length"},
        {"match": "bad", "refusal": "I will not."},
        {"match": "broken", "fail": "filter", "text": "blocked"},
    ]
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    replies = str(path)
    assert say(keyed, replies=replies).text == "you had the key"
    assert say(user("a FOX"), replies=replies).text == "A fox ran."
    dog = say(user("a dog"), replies=replies)
    assert (dog.text, dog.finish) == ("A dog barked.", "length")
    assert say(user("bad"), replies=replies).error == "refusal"
    assert say(user("none"), replies=replies).text == "none"
    with pytest.raises(TeacherError, match="blocked") as caught:
        say(user("broken"), replies=replies)
    assert (caught.value.kind, caught.value.retry) == ("filter", False)


def test_the_name_covers_what_the_file_holds(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text('{"match": "a", "text": "b"}')
    first = Scripted(TeacherSpec(use="scripted", replies=str(path))).name
    path.write_text('{"match": "a", "text": "c"}')
    assert Scripted(TeacherSpec(use="scripted", replies=str(path))).name != first


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"match": "a", "txt": "b"}', "unknown field txt"),
        ('{"text": "b"}', "either match or key"),
        ('{"match": "(", "text": "b"}', "no regular expression"),
        ('{"match": "a", "fail": "sulk"}', "fail = sulk"),
        ('{"match": "a", "text": 3}', "strings"),
    ],
)
def test_a_bad_line_is_named(line, said, tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text(f'{{"match": "a", "text": "b"}}\n{line}\n')
    with pytest.raises(UserError, match=said) as caught:
        Scripted(TeacherSpec(use="scripted", replies=str(path)))
    assert caught.value.where.endswith("replies.jsonl:2")


def test_a_missing_file_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        Scripted(TeacherSpec(use="scripted", replies=str(tmp_path / "none.jsonl")))


def test_latency_is_waited_side_by_side():
    async def main():
        async with Scripted(TeacherSpec(use="scripted", latency=0.2)) as teacher:
            began = time.monotonic()
            await asyncio.gather(*[teacher.ask(user(str(n))) for n in range(50)])
            return time.monotonic() - began

    assert 0.2 <= asyncio.run(main()) < 2
