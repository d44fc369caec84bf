"""Laws of the embedded teacher, with its real weights."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import chain, repeat

import pytest

from hornbook.core.asking import Request, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.teachers.reading import read_reply
from hornbook.teachers.spec import TeacherSpec

pytest.importorskip("xllamacpp", reason="the local teacher needs hornbook[local]")

from hornbook.teachers import layout, local
from hornbook.teachers.layout import Layout
from hornbook.teachers.local import Local

NAMES = ("fox", "ball", "tree", "boat", "moon", "rain")


def story(about: str, **params) -> Request:
    words = {"max_tokens": 12, "temperature": 0.8} | params
    return Request("m", messages=({"role": "user", "content": f"Tell a story about a {about}."},), params=words)


def opened(path, lines=None, **knobs) -> Local:
    spec = TeacherSpec(**({"threads": 1, "slots": 4, "context": 256} | knobs))
    return Local(spec, path, "m", (lines if lines is not None else []).append)


def run(work):
    return asyncio.run(work())


def test_equal_requests_get_equal_replies_whatever_else_is_written(smollm):
    requests = [story(name) for name in NAMES]

    async def work(slots, order):
        async with opened(smollm, slots=slots) as teacher:
            found = await asyncio.gather(*[teacher.ask(requests[n]) for n in order])
            return {n: read_reply("k", raw).text for n, raw in zip(order, found, strict=True)}

    first = asyncio.run(work(4, range(6)))
    assert first == asyncio.run(work(2, (5, 3, 1, 0, 2, 4)))
    assert len(set(first.values())) == 6


def test_replies_of_every_kind(smollm):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    asked = [
        story("fox", logprobs=True, top_logprobs=2),
        Request("m", prompt="Once upon a time", params={"max_tokens": 5, "logprobs": 1, "repetition_penalty": 1.1}),
        Request("m", messages=story("x").messages, schema=schema, params={"max_tokens": 80}),
        Request("m", prompt="A person as JSON:", schema=schema, params={"max_tokens": 80}),
        Request("m", prompt="a\x00b \u202e 小狐狸 👩‍👩‍👧‍👦", params={"max_tokens": 3}),
    ]

    async def work():
        async with opened(smollm) as teacher:
            return [read_reply("k", raw) for raw in await asyncio.gather(*map(teacher.ask, asked))]

    chat, plain, bound, bound_plain, odd = run(work)
    assert (chat.error, chat.finish, chat.completion_tokens) == (None, "length", 12)
    assert chat.prompt_tokens > 12, "the chat template adds its own tokens"
    assert len(chat.logprobs["content"]) == 12
    assert len(chat.logprobs["content"][0]["top_logprobs"]) == 2
    assert "".join(place["token"] for place in chat.logprobs["content"]) == chat.text
    assert (plain.error, plain.completion_tokens, plain.prompt_tokens) == (None, 5, 4)
    for reply in (bound, bound_plain):
        assert json.loads(reply.text).keys() == {"name", "age"}
        assert reply.finish == "stop"
    assert odd.error in (None, "empty")


def test_samples_differ_and_a_seed_holds(smollm):
    async def work():
        async with opened(smollm) as teacher:
            return [
                read_reply("k", await teacher.ask(Request("m", prompt="The", sample=n, params=params))).text
                for params in ({"max_tokens": 12}, {"max_tokens": 12, "seed": 5})
                for n in (0, 1, 2, 0)
            ]

    texts = run(work)
    for four in (texts[:4], texts[4:]):
        assert four[0] == four[3]
        assert len(set(four)) == 3


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (Request("m", prompt="word " * 1000), "length"),
        (Request("m", prompt="a", params={"temperature": "hot"}), "rejected"),
        (Request("m", prompt="a", params={"max_tokens": -5}), "rejected"),
        (Request("m", prompt="a \udc00"), "rejected"),
        (Request("m", prompt="Dear Sir,", schema={"type": "nonsense"}, params={"max_tokens": 20}), "rejected"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_the_next_one_works(request_, kind, smollm):
    async def work():
        async with opened(smollm) as teacher:
            with pytest.raises(TeacherError) as caught:
                await teacher.ask(request_)
            return caught.value, read_reply("k", await teacher.ask(story("fox")))

    error, after = run(work)
    assert (error.kind, error.retry) == (kind, False)
    assert after.error is None


def test_late_and_cancelled_requests_are_left_and_closing_is_quick(smollm):
    endless = Request("m", prompt="Once", params={"max_tokens": 100_000, "ignore_eos": True})

    async def work():
        async with opened(smollm, context=8192, slots=2, timeout=0.5) as teacher:
            with pytest.raises(TeacherError, match=r"within 0\.5 s"):
                await teacher.ask(endless)
            task = asyncio.create_task(teacher.ask(endless))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            left = asyncio.create_task(teacher.ask(endless))
            await asyncio.sleep(0.2)
            began = time.monotonic()
        with suppress(TeacherError, asyncio.CancelledError):
            await left
        return time.monotonic() - began

    assert run(work) < 5


def test_threads_are_measured_and_nothing_is_printed(smollm):
    code = f"""
import asyncio
from pathlib import Path
from hornbook.core.asking import Request
from hornbook.teachers.local import Local
from hornbook.teachers.spec import TeacherSpec
async def main():
    lines = []
    async with Local(TeacherSpec(slots=2, context=256), Path({str(smollm)!r}), "m", lines.append) as teacher:
        await teacher.ask(Request("m", prompt="Once", params={{"max_tokens": 4}}))
        assert teacher.layout in teacher._tried, teacher.layout
        assert teacher.concurrency == teacher.layout.copies * 2
        assert len(teacher._tried) == 1 or (teacher.rate > 0 and "tokens/s measured" in lines[0]), lines
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_fallen_rate_makes_the_threads_be_measured_again(smollm, monkeypatch):
    """The rates measured are made up, the model is real: replies under way are begun anew and are the same."""
    monkeypatch.setattr(local, "WINDOW_SECONDS", 0.3)
    monkeypatch.setattr(local, "DRAIN_SECONDS", 0.1)
    monkeypatch.setattr(layout, "CALM_SECONDS", 0.0)
    monkeypatch.setattr(layout, "FALLEN", 1e-3)
    rates = {Layout(1, 1): repeat(1.0), Layout(2, 1): chain([1e9], repeat(0.1)), Layout(3, 1): repeat(0.1)}
    monkeypatch.setattr(Local, "_measure", lambda self, one: next(rates[one]))
    monkeypatch.setattr(local, "layouts", lambda *args: list(rates))
    lines: list[str] = []
    requests = [story(name, max_tokens=40, ignore_eos=True) for name in NAMES]

    async def work():
        async with opened(smollm, lines, threads="auto") as teacher:
            assert teacher.layout == Layout(2, 1)
            texts = []
            for _ in range(20):
                raws = await asyncio.gather(*map(teacher.ask, requests))
                texts.append([read_reply("k", raw).text for raw in raws])
                if teacher.layout == Layout(1, 1):
                    break
            return teacher.layout, texts

    taken, texts = run(work)
    assert taken == Layout(1, 1)
    assert any("measuring again" in line for line in lines)
    assert all(found == texts[0] for found in texts)


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + os.urandom(1000))

    async def work():
        async with opened(path):
            raise AssertionError

    with pytest.raises(HornbookError, match=r"cannot load broken\.gguf"):
        run(work)
