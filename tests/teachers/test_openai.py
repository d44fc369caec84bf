"""Laws of a teacher behind a server: replies come as they were, and every fault has its class."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import HornbookError, UserError
from hornbook.teachers.openai import OpenAI
from hornbook.teachers.reading import read_reply
from hornbook.teachers.spec import TeacherSpec
from hornbook.teachers.trouble import retry_after
from tests.teachers.serving import Call, chat, response, serving

CHAT = Request("m", messages=({"role": "user", "content": "Say hi."},), params={"max_tokens": 5, "temperature": 0.5})
MODELS = response(200, {"data": [{"id": "m", "max_model_len": 4096}, {"id": "other"}]})
GOOD = response(200, chat("hi"))


def handler(*actions, models=MODELS):
    return lambda call: [models] if call.path.endswith("/models") else list(actions)


def run(spec: TeacherSpec, *requests: Request, log=lambda line: None):
    """Ask requests one after the other in one session; replies and errors in order."""

    async def main():
        found = []
        async with OpenAI(spec, log) as teacher:
            for request in requests:
                try:
                    found.append(await teacher.ask(request))
                except TeacherError as error:
                    found.append(error)
        return found

    return asyncio.run(main())


def failing(*actions, timeout: float = 5.0) -> TeacherError:
    with serving(handler(*actions)) as server:
        (error,) = run(TeacherSpec(url=server.url, model="m", timeout=timeout), CHAT)
    assert isinstance(error, TeacherError), error
    return error


def test_the_body_comes_back_byte_for_byte_and_one_connection_is_kept():
    odd = b'{"choices" :[ {"message":{"content":"\xc3\xa9"}} ], "unknown":1e3}\n'
    with serving(handler(response(200, odd))) as server:
        found = run(TeacherSpec(url=server.url + "/", model="m"), *[CHAT] * 5)
    assert [raw.body for raw in found] == [odd] * 5
    assert all(0 < raw.seconds < 5 for raw in found)
    assert server.connections == 1


def test_what_is_sent():
    schema = {"type": "object"}
    plain = Request("m", prompt="Once", params={"logprobs": 2, "seed": 5}, sample=3)
    with serving(handler(GOOD)) as server:
        run(TeacherSpec(url=server.url, model="m"), CHAT, plain, Request("m", prompt="x", schema=schema))
    first, second, third = server.posts()
    assert (first.path, second.path) == ("/v1/chat/completions", "/v1/completions")
    assert first.json() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Say hi."}],
        "max_tokens": 5,
        "temperature": 0.5,
    }
    assert second.json() == {"model": "m", "prompt": "Once", "logprobs": 2, "seed": 8}
    assert third.json()["response_format"]["json_schema"]["schema"] == schema
    assert "authorization" not in first.headers


@pytest.mark.parametrize(
    ("api", "path", "field", "value"),
    [
        ("chat", "/v1/chat/completions", "messages", [{"role": "user", "content": "Once"}]),
        ("completion", "/v1/completions", "prompt", "Once"),
    ],
)
def test_api_can_be_forced_and_is_then_part_of_the_name(api, path, field, value):
    requests = Request("m", prompt="Once"), Request("m", messages=({"role": "user", "content": "Once"},))
    with serving(handler(GOOD)) as server:
        spec = TeacherSpec(url=server.url, model="m", api=api)
        run(spec, *requests)
        assert OpenAI(spec, print).name == f"m:{api}"
    assert [(call.path, call.json()[field]) for call in server.posts()] == [(path, value)] * 2


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([response(429, {"error": {"message": "slow down"}}, Retry_After="7")], "slow down"),
        ([response(503, b"loading model")], "loading model"),
        ([response(500, b"")], "HTTP 500"),
        ([response(502, b"<html>Bad Gateway</html>")], "Bad Gateway"),
        (["reset"], "127.0.0.1"),
        (["close"], "127.0.0.1"),
        ([GOOD[:-10], "reset"], "127.0.0.1"),
        ([GOOD[:-10], "close"], "127.0.0.1"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}", "close"], "127.0.0.1"),
        ([b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ch', "close"], "127.0.0.1"),
        ([b"garbage that is no HTTP\r\n\r\n", "close"], "127.0.0.1"),
    ],
)
def test_what_may_pass_is_tried_again(actions, said):
    error = failing(*actions)
    assert (error.kind, error.retry) == ("transport", True)
    assert said in error.detail


def test_waiting_times_are_understood():
    assert failing(response(429, b"", Retry_After="7")).retry_after == 7
    assert failing(response(503, b"", Retry_After=formatdate(time.time() + 30, usegmt=True))).retry_after > 20
    assert failing(response(429, b"")).retry_after is None
    assert retry_after({"Retry-After": formatdate(1000, usegmt=True)}, now=990.0) == 10
    assert retry_after({"Retry-After": formatdate(1000, usegmt=True)}, now=2000.0) == 0
    assert retry_after({"retry-after-ms": "1500"}) == 1.5
    for odd in ("soon", "-5", "1e999", "nan", "Mon, 99 Foo 2020"):
        found = retry_after({"Retry-After": odd})
        assert found is None or 0 <= found <= 3600


def test_a_server_that_hangs_costs_the_timeout_and_no_more():
    began = time.monotonic()
    error = failing(30.0, GOOD, timeout=0.3)
    assert error.retry
    assert "within 0.3 s" in error.detail
    assert time.monotonic() - began < 5


def test_a_hang_in_the_middle_of_a_body_ends_as_well():
    assert failing(GOOD[:-10], 30.0, timeout=0.3).retry


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        ([response(400, {"error": {"message": "temperature must be below 2"}})], "rejected"),
        ([response(422, {"detail": "bad"})], "rejected"),
        ([response(400, {"error": {"code": "context_length_exceeded", "message": "too long"}})], "length"),
        ([response(400, {"message": "This model's maximum context length is 2048 tokens."})], "length"),
        ([response(400, {"error": {"type": "exceed_context_size_error", "message": "x"}})], "length"),
        ([response(422, {"error": "`inputs tokens + max_new_tokens` must be <= 4096"})], "length"),
        ([response(400, {"error": {"code": "content_filter", "message": "filtered"}})], "filter"),
        ([response(403, {"error": {"message": "Your input was flagged by moderation"}})], "filter"),
        ([response(301, b"", Location="https://else.where/v1?token=s3cret")], "rejected"),
    ],
)
def test_what_can_never_succeed_is_final(actions, kind):
    error = failing(*actions)
    assert (error.kind, error.retry) == (kind, False)
    assert "s3cret" not in error.detail


def test_truncated_and_empty_replies_are_whole_bodies_for_the_reader():
    for body, error in ((b'{"choices":[{"mess', "parse"), (b"\x00\xff", "parse"), (b"", "parse")):
        with serving(handler(response(200, body))) as server:
            (raw,) = run(TeacherSpec(url=server.url, model="m"), CHAT)
        assert isinstance(raw, Raw)
        assert read_reply("k", raw).error == error


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(401, {"error": {"message": "Incorrect API key provided: sk-verysecret"}}), "HTTP 401"),
        (response(403, {"error": {"message": "no access for sk-verysecret"}}), "HTTP 403"),
        (response(429, {"error": {"code": "insufficient_quota", "message": "pay"}}), "quota"),
        (response(402, b"pay first"), "quota"),
        (response(404, {"error": {"message": "The model `m` does not exist."}}), "no model 'm'"),
        (response(404, {"error": {"message": 'model "m" not found, try pulling it first'}}), "no model 'm'"),
        (response(400, {"error": {"message": "bad", "code": "x", "type": "model_not_found"}}), None),
        (response(404, b"File Not Found"), "no OpenAI-compatible API"),
    ],
)
def test_what_refuses_every_request_stops_the_run(answer, said, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-verysecret")
    with serving(handler(answer)) as server:
        spec = TeacherSpec(url=server.url, model="m", key_env="MY_KEY")
        if said is None:
            assert run(spec, CHAT)[0].kind == "rejected"
            return
        with pytest.raises(HornbookError, match=said) as caught:
            run(spec, CHAT)
    assert "sk-verysecret" not in str(caught.value)
    assert caught.value.fix
    if "no model" in said:
        assert "other" in caught.value.fix
    assert server.posts()[0].headers["authorization"] == "Bearer sk-verysecret"


def test_a_key_that_is_named_but_not_set():
    with pytest.raises(UserError, match="NO_SUCH_KEY is not set"):
        OpenAI(TeacherSpec(url="http://127.0.0.1:1/v1", key_env="NO_SUCH_KEY"), print)


def test_the_default_key_never_goes_to_another_machine_in_the_clear(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    with serving(handler(GOOD)) as server:
        run(TeacherSpec(url=server.url, model="m"), CHAT)
    assert server.posts()[0].headers["authorization"] == "Bearer sk-verysecret"
    assert OpenAI(TeacherSpec(url="http://gpu.example:8000/v1"), print)._key == ""
    assert OpenAI(TeacherSpec(url="https://gpu.example/v1"), print)._key == "sk-verysecret"


def test_a_key_refused_at_the_start(monkeypatch):
    with serving(handler(GOOD, models=response(401, b"who are you"))) as server, pytest.raises(UserError) as caught:
        run(TeacherSpec(url=server.url, model="m"), CHAT)
    assert "no key was sent" in caught.value.what
    assert not server.posts()


def test_no_server_there_says_which_and_what_to_do():
    url = "http://user:hush@127.0.0.1:1/v1"
    with pytest.raises(HornbookError, match="no server answers") as caught:
        run(TeacherSpec(url=url), CHAT)
    assert caught.value.exit_code == 1
    assert "http://127.0.0.1:1/v1" in caught.value.where
    assert "use: local" in caught.value.fix
    assert "hush" not in str(caught.value)


def test_the_context_is_learnt_and_a_strange_model_is_only_noted():
    async def context(spec, log):
        async with OpenAI(spec, log) as teacher:
            return teacher.context

    lines: list[str] = []
    with serving(handler(GOOD)) as server:
        assert asyncio.run(context(TeacherSpec(url=server.url, model="m"), lines.append)) == 4096
        assert lines == []
        assert asyncio.run(context(TeacherSpec(url=server.url, model="z"), lines.append)) == 0
    assert "lists m, other, not z" in lines[0]


def test_the_least_busy_of_several_servers_is_asked_and_a_broken_one_rests():
    def slow(call: Call):
        return [MODELS] if call.path.endswith("/models") else [0.2, GOOD]

    async def many(spec, count):
        async with OpenAI(spec, lambda line: None) as teacher:
            return await asyncio.gather(*[teacher.ask(CHAT) for _ in range(count)], return_exceptions=True)

    with serving(slow) as one, serving(slow) as two:
        asyncio.run(many(TeacherSpec(urls=(one.url, two.url), model="m"), 12))
        assert len(one.posts()) == len(two.posts()) == 6
    with serving(slow) as good, serving(handler("reset")) as bad:
        spec = TeacherSpec(urls=(bad.url, good.url), model="m")
        found = run(spec, *[CHAT] * 6)
        assert sum(isinstance(one, Raw) for one in found) == 5
    with serving(slow) as good:
        lines: list[str] = []
        found = run(TeacherSpec(urls=("http://127.0.0.1:1/v1", good.url), model="m"), CHAT, CHAT, log=lines.append)
        assert all(isinstance(one, Raw) for one in found)
        assert "going on with 1 of 2 servers" in lines[0]


def test_a_cancelled_request_leaves_the_session_usable():
    slow = iter([[5.0, GOOD]])

    async def main(url):
        async with OpenAI(TeacherSpec(url=url, model="m"), print) as teacher:
            task = asyncio.create_task(teacher.ask(CHAT))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await teacher.ask(CHAT)

    with serving(lambda call: [MODELS] if call.path.endswith("/models") else next(slow, [GOOD])) as server:
        assert read_reply("k", asyncio.run(main(server.url))).text == "hi"


def test_a_real_llama_server_answers_the_same_protocol(smollm):
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(smollm)
    params.n_ctx, params.n_parallel, params.verbosity, params.fit_params = 2048, 2, -1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    server = xllamacpp.Server(params)
    spec = TeacherSpec(url=server.listening_address + "/v1", model="smollm2-135m-instruct")
    asked = [
        CHAT,
        Request("m", prompt="Once upon a time", params={"max_tokens": 4, "logprobs": 1}),
        Request("m", messages=CHAT.messages, schema=schema, params={"max_tokens": 60, "seed": 1}),
        Request("m", prompt="word " * 3000, params={"max_tokens": 4}),
    ]
    story, completion, bound, long = run(spec, *asked)
    del server
    assert read_reply("k", story).completion_tokens > 0
    reply = read_reply("k", completion)
    assert reply.error is None
    assert reply.logprobs["content"][0]["logprob"] <= 0
    assert read_reply("k", bound).text.lstrip().startswith("{")
    assert (long.kind, long.retry) == ("length", False)
