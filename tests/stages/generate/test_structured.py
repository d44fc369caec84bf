"""generate.structured: whatever comes back is read, checked, asked for again; every try is paid for once."""

import json
import threading
import time
from collections import Counter
from enum import Enum
from typing import Literal

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator

from hornbook.core.asking import Reply
from hornbook.core.documents import with_columns
from hornbook.core.rules import select
from hornbook.engine.recipe import check_data
from hornbook.stages.generate.structured import Structured
from hornbook.teachers.json_text import json_in
from tests.contract import Example, run, table_of
from tests.corpus import HOSTILE, STORIES
from tests.teachers.serving import chat, response, serving

SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 3},
        "level": {"type": "integer", "minimum": 1, "maximum": 9},
        "hard": {"type": ["boolean", "null"]},
        "weight": {"type": "number"},
        "answers": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["question", "level", "answers"],
    "additionalProperties": False,
}
GOOD = {"question": "Who ran?", "level": 3, "answers": ["The fox"]}
ROWS = [
    {"id": f"p-{at}", "text": "", "origin": f"prompts.jsonl:{at}", "prompt": prompt, "messages": messages}
    for at, (prompt, messages) in enumerate(
        [(text, None) for text in [*STORIES, *HOSTILE.values()]]
        + [(None, json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Ask."}]))]
        + [(None, "not json"), (None, '[{"role": "user"}]')]
    )
]
PICKY = SCHEMA | {"properties": SCHEMA["properties"] | {"level": {"enum": [1, 2, 3, 4], "not": {"enum": [1, 2]}}}}
"""Half of what the scripted teacher says does not fit, so there are rows with one, two and three tries, and drops."""
EXAMPLE = Example(
    knobs={"json_schema": PICKY, "max_tokens": 200, "system": "You set questions."},
    rows=ROWS,
    teacher={"use": "scripted"},
    golden={"1": "c5f9d4209c9f8b88f124feb556ee8e95"},
)


class Level(Enum):
    EASY = "easy"
    HARD = "hard"


class Quiz(BaseModel):
    """A class of the user's, with a rule that no JSON schema can say."""

    question: str
    level: Level
    kind: Literal["open", "closed"] = "open"
    points: int | None = None

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if not value.endswith("?"):
            raise ValueError("a question ends with a question mark")
        return value


def piece(*prompts):
    return pa.table({"id": [str(n) for n in range(len(prompts))], "prompt": pa.array(prompts, pa.string())})


def taken(reply, **knobs):
    """(the row with its marks, the reason it is dropped for or None)."""
    stage, table = Structured(**{"json_schema": SCHEMA} | knobs), piece("Ask me.")
    kept, dropped = select(with_columns(table, stage.take(table, [reply])), stage.drops())
    return (kept.to_pylist() or dropped.to_pylist())[0], dropped.to_pylist()[0]["reason"] if dropped.num_rows else None


def said(value, **fields):
    return Reply("k", value if isinstance(value, str) else json.dumps(value), "stop", **fields)


def test_the_request_carries_the_schema_and_says_it():
    told, bare = (next(Structured(json_schema=SCHEMA, instruct=i).ask(piece("Ask me."), "m")) for i in (True, False))
    assert told.schema == SCHEMA
    assert bare.schema == SCHEMA
    assert bare.messages == ({"role": "user", "content": "Ask me."},)
    assert told.messages[0]["content"].startswith("Ask me.\n\n")
    assert json.loads(told.messages[0]["content"].split("\n")[-1]) == SCHEMA


def test_a_good_reply_becomes_text_and_columns():
    row, reason = taken(said(GOOD | {"weight": 2}, prompt_tokens=7, completion_tokens=5))
    assert reason is None
    assert row["text"] == '{"answers":["The fox"],"level":3,"question":"Who ran?","weight":2}'
    assert (row["json.question"], row["json.level"], row["json.hard"], row["json.weight"]) == ("Who ran?", 3, None, 2.0)
    assert "json.answers" not in row
    assert (row["generate.tries"], row["generate.prompt_tokens"], row["generate.tokens"]) == (1, 7, 5)
    assert (row["generate.error"], row["generate.detail"]) == (None, None)


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (said("I would rather not."), "parse", "no JSON"),
        (said(""), "parse", "no text"),
        (said('{"question": "Wh'), "parse", "no JSON"),
        (said(GOOD | {"level": 12}), "schema", "level: 12 breaks maximum: 9"),
        (said({"question": "Who?"}), "schema", "the whole: level, answers is missing"),
        (said([GOOD]), "schema", "the whole"),
        (Reply("k", error="refusal", detail="no"), "refusal", "no"),
        (Reply("k", error="filter", detail="f"), "filter", "f"),
        (Reply("k", error="rejected", detail="r"), "rejected", "r"),
        (Reply("k", error="transport", detail="t"), "transport", "t"),
        (Reply("k", error="parse", detail="<html>"), "parse", "<html>"),
    ],
)
def test_each_fault_is_a_reason_with_its_evidence(reply, reason, detail):
    row, found = taken(reply)
    assert found == reason
    assert detail in row["evidence"]
    assert row["json.level"] is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"\n\n  {json.dumps(GOOD, indent=2)}  ",
        f"Sure! Here it is:\n```json\n{json.dumps(GOOD)}\n```\nIs that right?",
        f"```\n{{}}\n```\nor rather\n```JSON\n{json.dumps(GOOD)}\n```",
        f"<think>a {{ brace and [ one }}</think> {json.dumps(GOOD)} done",
        f"The answer is {json.dumps(GOOD)}.",
        f'<think>{{"n": 1}} would not do</think>{json.dumps(GOOD)}',
        f"As in [1] and {{}}, so: {json.dumps(GOOD)}",
        f"\ufeff{json.dumps(GOOD)}",
    ],
)
def test_json_is_found_in_what_models_put_around_it(text):
    assert taken(said(text)) == taken(said(GOOD))


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc{[`", max_size=3), inner, max_size=3),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, (dict, list)))
)  # fmt: skip
def test_any_json_is_found_whole_and_equal_values_are_equal_texts(value):
    free = {"type": ["object", "array"]}
    row, reason = taken(said(value), json_schema=free)
    assert reason is None
    assert orjson.loads(row["text"]) == value
    assert (
        taken(said(f"Well:\n```json\n{json.dumps(value, indent=1)}\n```"), json_schema=free)[0]["text"] == row["text"]
    )


@given(st.text(st.sampled_from('a"\\\n\t\r{}</think>小')))
def test_line_breaks_within_a_text_are_forgiven_and_kept(text):
    plain = json.dumps({"a": text}, ensure_ascii=False)
    raw = plain.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\\\")
    assert json_in(plain) == ({"a": text}, "")
    fits = {"a": text}.__eq__
    assert json_in(f"```json\n{raw}\n```", fits) == ({"a": text}, "")
    assert json_in(raw, fits)[0] == {"a": text}


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('{}[]"`:,\\')))
def test_no_text_breaks_it(text):
    row, reason = taken(said(text))
    assert reason in (None, "parse", "schema")
    assert (reason is None) == (row["generate.error"] is None)


@pytest.mark.parametrize(
    "text", ["{" * 10**6, "[" * 10**6, '{"a":' * 10**5, "```\n" * 10**6, " " * 10**7, '{"' * 10**6]
)
def test_hostile_replies_take_no_time(text):
    began = time.monotonic()
    assert taken(said(text))[1] == "parse"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("value", ['{"a": NaN}', '{"a": Infinity}', '{"a": "\\ud800"}', '{"a": 1e999}'])
def test_what_is_no_json_by_the_book_is_none(value):
    assert json_in(value)[0] is None


def test_numbers_too_large_for_a_column_do_not_fit():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert taken(said('{"n": 9223372036854775808}'), json_schema=schema)[1] == "schema"
    assert taken(said('{"n": 1e30}'), json_schema=schema)[1] == "schema"
    assert taken(said('{"n": 9223372036854775807}'), json_schema=schema)[0]["json.n"] == 2**63 - 1
    assert taken(said('{"n": 7.0}'), json_schema=schema)[0]["json.n"] == 7


def asked(stage, *replies):
    """The requests for one row that gets these replies, and the request after the last."""
    found = [next(stage.ask(piece("Ask me."), "m"))]
    for at in range(len(replies)):
        more = stage.again({}, found, replies[: at + 1])
        if more is None:
            break
        found.append(more)
    return found


def test_a_reply_that_does_not_fit_is_asked_for_again_with_its_fault():
    first, second, third = asked(Structured(json_schema=SCHEMA), said("No."), said({"level": 1}), said("Never."))
    assert second.messages[: len(first.messages)] == first.messages
    assert [m["role"] for m in third.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert second.messages[1]["content"] == "No."
    assert "no JSON" in second.messages[2]["content"]
    assert "question, answers is missing" in third.messages[4]["content"]
    assert len({request.key() for request in (first, second, third)}) == 3
    assert third.schema == SCHEMA


@pytest.mark.parametrize("tries", [0, 1, 2, 5])
def test_it_is_asked_again_at_most_so_often(tries):
    assert len(asked(Structured(json_schema=SCHEMA, tries=tries), *[said("No.")] * 20)) == tries + 1


@pytest.mark.parametrize(
    "reply",
    [said(GOOD)] + [Reply("k", error=e, detail="x") for e in ("refusal", "filter", "length", "rejected", "parse")],
)
def test_what_fits_or_cannot_be_mended_is_not_asked_again(reply):
    assert len(asked(Structured(json_schema=SCHEMA), reply)) == 1


def test_sums_are_of_all_tries():
    first = said("No.", prompt_tokens=10, completion_tokens=1)
    last = Reply("k2", json.dumps(GOOD), "stop", prompt_tokens=20, completion_tokens=9, before=(first,))
    row, reason = taken(last)
    assert reason is None
    assert (row["generate.tries"], row["generate.prompt_tokens"], row["generate.tokens"]) == (2, 30, 10)
    assert row["generate.request"] == "k2"


HERE = f"{__name__}:Quiz"


def test_a_pydantic_class_checks_by_its_own_rules():
    good = {"question": "Who?", "level": "easy"}
    row, reason = taken(said(good), json_schema=HERE)
    assert reason is None
    assert (row["json.level"], row["json.kind"], row["json.points"]) == ("easy", None, None)
    assert taken(said(good | {"question": "Who."}), json_schema=HERE)[1] == "schema"
    assert "question mark" in taken(said(good | {"question": "Who."}), json_schema=HERE)[0]["evidence"]
    stage = Structured(json_schema=HERE)
    assert len(stage.code) == 32, "what the class says is part of the step's key"
    assert Structured.model_validate(stage.model_dump(mode="json")) == stage


def test_a_file_is_read(tmp_path):
    (tmp_path / "quiz.json").write_text(json.dumps(SCHEMA))
    stage = Structured(json_schema=str(tmp_path / "quiz.json"))
    assert next(stage.ask(piece("Ask me."), "m")).schema == SCHEMA
    from hornbook.engine.keys import input_paths

    assert input_paths(stage) == [str(tmp_path / "quiz.json")], "its content is part of the step's key"


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"type": "objekt"}, "no JSON schema"),
        ({"$ref": "https://example.org/schema.json"}, "points to nothing"),
        ({"properties": {"a": {"$ref": "#/$defs/None"}}}, "points to nothing"),
        ("no-such-file.json", "cannot be read"),
        ("no.such.module:Name", "cannot be imported"),
        ("json:loads", "no pydantic model"),
    ],
)
def test_what_is_no_schema_is_refused_at_once(given_, says):
    with pytest.raises(ValidationError, match=says.replace("$", "\\$")):
        Structured(json_schema=given_)


class Teacher:
    """Counts what it pays for; gives prose first, then a wrong level, then what was asked for."""

    def __init__(self, *, binds: bool) -> None:
        self.binds, self.lock = binds, threading.Lock()
        self.paid: Counter[str] = Counter()
        self.bound = 0

    def __call__(self, call):
        if call.method == "GET":
            return [response(200, {"data": []})]
        body = call.json()
        if "response_format" in body and not self.binds:
            return [response(400, {"error": {"message": "This response_format type is unavailable now"}})]
        turns = sum(message["role"] == "assistant" for message in body["messages"])
        need = int(body["messages"][0]["content"].split()[0]) % 3
        with self.lock:
            self.paid[json.dumps(body["messages"])] += 1
            self.bound += "response_format" in body
        good = json.dumps(GOOD | {"level": 1 + turns})
        text = good if turns >= need else ("Once upon a time" if turns == 0 else json.dumps(GOOD | {"level": 99}))
        return [response(200, chat(text))]


def recipe(url, path, **knobs):
    steps = [
        {"use": "sources.prompts", "path": str(path)},
        {"use": "generate.structured", "json_schema": SCHEMA} | knobs,
    ]
    return check_data({"name": "r", "teacher": {"url": url, "model": "m", "concurrency": 7}, "steps": steps}, "r.yaml")


@pytest.mark.parametrize("binds", [True, False])
def test_through_a_real_server_each_try_is_paid_once_and_replayed_for_nothing(tmp_path, binds):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{n} is the number."}) + "\n" for n in range(60)))
    teacher = Teacher(binds=binds)
    with serving(teacher) as server:
        first = run(recipe(server.url, path), tmp_path)[-1]
        table = table_of(first)
        assert table["generate.tries"].to_pylist() == [1 + n % 3 for n in range(60)]
        assert table["json.level"].to_pylist() == [1 + n % 3 for n in range(60)]
        assert set(teacher.paid.values()) == {1}
        assert sum(teacher.paid.values()) == 120
        assert teacher.bound == (120 if binds else 0)
        again = run(recipe(server.url, path, tries=1), tmp_path)[-1]
        assert sum(teacher.paid.values()) == 120, "fewer tries ask nothing new"
        assert again.manifest["reasons"] == {"schema": 20}
        more = run(recipe(server.url, path, tries=3), tmp_path)[-1]
        assert sum(teacher.paid.values()) == 120
        assert table_of(more)["text"].to_pylist() == table["text"].to_pylist()


def test_equal_prompts_share_their_whole_chain(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": "2 is the number."}) + "\n" for _ in range(40)))
    teacher = Teacher(binds=True)
    with serving(teacher) as server:
        table = table_of(run(recipe(server.url, path), tmp_path)[-1])
    assert table["generate.tries"].to_pylist() == [3] * 40
    assert sum(teacher.paid.values()) == 3
