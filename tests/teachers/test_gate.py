"""Several real servers: load is shared, one that breaks is left alone and taken back, a file brings and takes them."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from contextlib import ExitStack
from email.utils import formatdate
from itertools import pairwise

import pytest

from hornbook.core.asking import Request, TeacherError
from hornbook.core.errors import HornbookError
from hornbook.teachers import ends, gate
from hornbook.teachers.openai import OpenAI
from hornbook.teachers.spec import TeacherSpec
from tests.commands import begin, write_jsonl
from tests.faulty_server import counts_of, faulty_server, spans_of, totals_of
from tests.teachers.serving import chat, response, serving

MODELS = response(200, {"data": [{"id": "m"}]})
GOOD = response(200, chat("hi"))


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


def busy(form: str) -> bytes:
    """A refusal for a second or a little more, in one of the two forms of RFC 9110."""
    said = "1" if form == "seconds" else formatdate(math.ceil(time.time() + 1), usegmt=True)
    return response(429, {"error": {"message": "too many"}}, Retry_After=said)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_says_no_rests_and_the_other_works_on(form):
    seen: list[float] = []

    def first(call):
        if call.path.endswith("/models"):
            return [MODELS]
        seen.append(time.monotonic())
        return [busy(form)]

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


# -- servers in processes of their own


def spread(urls: list[str], spec: dict[str, object], numbers, at_once: int) -> tuple[list[str], list[str]]:
    """Ask all, of several real servers; what came, and what was said meanwhile."""
    lines: list[str] = []

    async def main():
        teacher = TeacherSpec(urls=tuple(f"{url}/v1" for url in urls), model="test", concurrency=at_once, **spec)
        async with OpenAI(teacher, lines.append) as opened:
            return await ask(opened, numbers, at_once)

    return asyncio.run(main()), lines


def test_three_processes_share_the_load_by_how_fast_they_are():
    with ExitStack() as stack:
        urls = [stack.enter_context(faulty_server(latency=seconds, log=True)) for seconds in (0.05, 0.05, 0.2)]
        found, _ = spread(urls, {}, range(400), 24)
        paid = [totals_of(url)["paid"] for url in urls]
        most = [totals_of(url)["most"] for url in urls]
    assert found == ["good"] * 400
    assert sum(paid) == 400
    assert min(paid[:2]) > 2.5 * paid[2] > 0, paid
    assert max(most) <= 1.5 * 24 / 3 + 1, "each had a third in flight"


def test_one_that_dies_is_left_alone_and_asked_again_when_it_is_back(monkeypatch):
    for name, seconds in (("OPEN_SECONDS", 0.2), ("FIRST_REST", 0.5), ("SOUR", 0.5)):
        monkeypatch.setattr(ends, name, seconds)
    with ExitStack() as stack:
        one = stack.enter_context(faulty_server(latency=0.1, log=True))
        dying = ExitStack()
        two = dying.enter_context(faulty_server(latency=0.1, log=True))
        port = int(two.rsplit(":", 1)[1])
        before: list[int] = []

        def die_and_return() -> None:
            before.append(totals_of(two)["paid"])
            dying.close()
            time.sleep(1.5)
            stack.enter_context(faulty_server(latency=0.1, log=True, port=port))

        timer = threading.Timer(1.0, die_and_return)
        timer.start()
        found, lines = spread([one, two], {}, range(900), 16)
        timer.join()
        first, second = totals_of(one), totals_of(two)
    lost = found.count("transport")
    assert found.count("good") + lost == 900
    assert lost <= 8 + 2 * ends.OPEN_AFTER, "what was in flight, and what it took to see that it is dead"
    assert before[0] > 20
    assert second["paid"] > 50, "it works again"
    assert first["paid"] > second["paid"]
    assert any(f"{two}/v1 answers again" in line for line in lines)


def test_a_limit_of_tokens_is_kept_as_the_servers_see_it():
    with faulty_server(log=True) as url:
        began = time.monotonic()
        found, _ = spread([url], {"tpm": 6000}, range(15), 15)
        took = time.monotonic() - began
        spans = spans_of(url)
    size = len('{"model":"test","messages":[{"role":"user","content":"10"}],"max_tokens":5}') / 4 + 5
    assert found == ["good"] * 15
    assert (15 * size - 100) / 100 * 0.9 <= took <= (15 * size - 100) / 100 + 3
    for first, later in zip(spans, spans[8:], strict=False):
        assert 8 * size <= 100 + 100 * (later.arrived - first.arrived) * 1.1 + size


RECIPE = """\
name: servers
teacher: {urls_file: servers.txt, model: test, concurrency: 8}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 20
"""


def test_servers_come_and_go_while_a_run_is_under_way(tmp_path):
    """As a cluster's jobs do: the file is appended to, later rewritten without the first."""

    def until(url: str, many: int) -> None:
        end = time.monotonic() + 40
        while totals_of(url)["paid"] < many:
            assert time.monotonic() < end, f"{url} was not asked"
            time.sleep(0.05)

    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(300)])
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    file = tmp_path / "servers.txt"
    with faulty_server(latency=0.15, log=True) as one, faulty_server(latency=0.15, log=True) as two:
        child = begin("run", "recipe.yaml", "--json", cwd=tmp_path)
        try:
            time.sleep(1)
            file.write_text(f"{one}/v1\n", encoding="utf-8")
            until(one, 20)
            with file.open("a", encoding="utf-8") as more:
                more.write(f"{two}/v1\n")
            until(two, 20)
            other = tmp_path / "other.txt"
            other.write_text(f"{two}/v1\n", encoding="utf-8")
            other.replace(file)
            gone = time.monotonic()
            out, said = child.communicate(timeout=60)
        finally:
            child.kill()
            child.wait()
        late = [span for span in spans_of(one) if span.arrived > gone + gate.LOOK_SECONDS + 0.5]
        paid = counts_of(one)["paid"] + counts_of(two)["paid"]
    assert child.returncode == 0, said
    assert out
    assert not late, "the one that has gone is asked no more"
    assert paid == Counter(f"Write story {n}." for n in range(300)), "each was paid once, wherever"
