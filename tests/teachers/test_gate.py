"""Several real servers: load is shared, one that breaks is left alone and taken back, a file brings and takes them."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from hornbook.core.asking import Request, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.teachers import ends, gate
from hornbook.teachers.openai import OpenAI
from hornbook.teachers.spec import TeacherSpec
from tests.teachers.serving import chat, response, serving

MODELS = response(200, {"data": [{"id": "m"}]})
GOOD = response(200, chat("hi"))
BUSY = response(429, {"error": {"message": "too many"}}, Retry_After="1")


def request(n: int) -> Request:
    return Request("m", messages=({"role": "user", "content": f"{n}"},), params={"max_tokens": 5})


def handler(*actions):
    return lambda call: [MODELS] if call.path.endswith("/models") else list(actions)


async def ask(teacher: OpenAI, numbers, at_once: int) -> list[str]:
    """Ask all; what came of each: good, or the class of error. What is busy is asked again."""
    left, found = list(numbers), []

    async def slot():
        while left:
            number = left.pop()
            while True:
                try:
                    await teacher.ask(request(number))
                    found.append("good")
                except TeacherError as error:
                    if error.busy:
                        continue
                    found.append(error.kind)
                break

    await asyncio.gather(*[slot() for _ in range(at_once)])
    return found


def test_a_slow_server_gets_less_and_none_is_idle():
    with serving(handler(0.02, GOOD)) as fast, serving(handler(0.2, GOOD)) as slow:

        async def main():
            spec = TeacherSpec(urls=(fast.url, slow.url), model="m", concurrency=8)
            async with OpenAI(spec, print) as teacher:
                return await ask(teacher, range(200), 8)

        assert asyncio.run(main()) == ["good"] * 200
    assert len(fast.posts()) + len(slow.posts()) == 200
    assert len(fast.posts()) > 2 * len(slow.posts()) > 0


def test_a_server_that_says_no_rests_and_the_other_works_on():
    seen: list[float] = []

    def first(call):
        if call.path.endswith("/models"):
            return [MODELS]
        seen.append(time.monotonic())
        return [BUSY]

    with serving(first) as strict, serving(handler(0.01, GOOD)) as free:

        async def main():
            spec = TeacherSpec(urls=(strict.url, free.url), model="m", concurrency=4)
            async with OpenAI(spec, print) as teacher:
                began = time.monotonic()
                found = await ask(teacher, range(100), 4)
                return found, time.monotonic() - began

        found, took = asyncio.run(main())
    assert found == ["good"] * 100
    assert took < 5
    waves = [b - a for a, b in pairwise(seen) if b - a > 0.2]
    assert len(seen) <= 4 + len(waves) * 2, "after the first no, single requests go ahead"
    assert all(wait >= 0.95 for wait in waves), "Retry-After is kept"


def test_a_broken_server_is_left_alone_and_comes_back(monkeypatch):
    monkeypatch.setattr(ends, "OPEN_SECONDS", 0.0)
    monkeypatch.setattr(ends, "FIRST_REST", 0.5)
    state = {"well": False}

    def shaky(call):
        if not state["well"]:
            return ["reset"]
        return [MODELS] if call.path.endswith("/models") else [0.01, GOOD]

    lines: list[str] = []
    with serving(lambda call: [MODELS] if call.path.endswith("/models") and not lines else shaky(call)) as server:

        async def main():
            spec = TeacherSpec(url=server.url, model="m", concurrency=16)
            async with OpenAI(spec, lines.append) as teacher:
                lines.append("begun")
                threading.Timer(2.0, lambda: state.update(well=True)).start()
                first = await ask(teacher, range(24), 3)
                asked = len(server.posts())
                await asyncio.sleep(0)
                return first, asked

        found, asked = asyncio.run(main())
    assert found.count("good") >= 24 - 12, "what waited while it was down was asked when it was up"
    assert asked <= 24 + 12, "while it was down it was hardly asked"
    assert any("answers again" in line for line in lines)


def test_when_no_server_comes_back_the_run_ends_and_says_so(monkeypatch):
    monkeypatch.setattr(ends, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(ends, "FIRST_REST", 0.2)
    monkeypatch.setattr(gate, "DOWN_SECONDS", 1.5)
    begun = []
    with serving(lambda call: [MODELS] if not begun else ["reset"]) as server:

        async def main():
            async with OpenAI(TeacherSpec(url=server.url, model="m", concurrency=4), print) as teacher:
                begun.append(1)
                await ask(teacher, range(1000), 2)

        with pytest.raises(HornbookError, match="answered nothing"):
            asyncio.run(main())


def test_servers_of_a_file_come_and_go(tmp_path):
    file = tmp_path / "servers.txt"
    lines: list[str] = []
    with serving(handler(0.02, GOOD)) as one, serving(handler(0.02, GOOD)) as two:
        file.write_text("# none yet\n")

        def bring(*urls: str) -> None:
            file.write_text("\n".join(["# by the job", *urls]) + "\n")

        async def main():
            spec = TeacherSpec(urls_file=str(file), model="m", concurrency=4)
            threading.Timer(1.5, bring, [one.url]).start()
            async with OpenAI(spec, lines.append) as teacher:
                counts = [(len(one.posts()), len(two.posts()))]
                for urls in ((one.url, two.url), (two.url, "nonsense")):
                    bring(*urls)
                    await asyncio.sleep(gate.LOOK_SECONDS + 0.1)
                    assert set(await ask(teacher, range(100), 4)) == {"good"}
                    counts.append((len(one.posts()), len(two.posts())))
                return counts

        none, both, last = asyncio.run(main())
    assert none == (0, 0)
    assert min(both) > 20
    assert last == (both[0], both[1] + 100), "the one that has gone is asked no more"
    assert any("waiting for a server" in line for line in lines)
    assert any("has come" in line and two.url in line for line in lines)
    assert any("has gone" in line for line in lines)
    assert any("nonsense" in line for line in lines)


def test_a_limit_a_minute_is_kept_over_all_servers():
    with serving(handler(GOOD)) as one, serving(handler(GOOD)) as two:

        async def main():
            spec = TeacherSpec(urls=(one.url, two.url), model="m", concurrency=20, rpm=600)
            async with OpenAI(spec, print) as teacher:
                began = time.monotonic()
                await ask(teacher, range(40), 20)
                return time.monotonic() - began

        assert asyncio.run(main()) >= (40 - 10) / 10 * 0.95, "600 a minute: ten at once, then ten a second"


def test_a_key_is_not_sent_to_whom_a_file_names(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(handler(GOOD)) as server:
        file = tmp_path / "servers.txt"
        file.write_text(server.url + "\n")

        async def main():
            async with OpenAI(TeacherSpec(urls_file=str(file), model="m"), print) as teacher:
                await teacher.ask(request(1))

        asyncio.run(main())
    assert all("authorization" not in call.headers for call in server.calls)


def test_a_request_that_is_given_up_while_it_waits_blocks_nobody():
    with serving(handler(0.1, GOOD)) as server:

        async def main():
            async with OpenAI(TeacherSpec(url=server.url, model="m", concurrency=1), print) as teacher:
                tasks = [asyncio.create_task(teacher.ask(request(n))) for n in range(10)]
                await asyncio.sleep(0.05)
                for task in tasks[1:6]:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                return [isinstance(d, asyncio.CancelledError) for d in done]

        assert asyncio.run(main()) == [False] + [True] * 5 + [False] * 4
    assert len(server.posts()) == 5
