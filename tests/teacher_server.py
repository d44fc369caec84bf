"""An OpenAI-compatible teacher in a process of its own: real HTTP, replies fixed by the prompt, every one counted.

`python -m tests.teacher_server '{"latency": 0.02}'` prints its port on the first line.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.commands import ROOT

TALE = "the a little fox ran home and saw red ball under big tree then happy bird sang to sun moon"
WORDS = TALE.split()


def reply_to(prompt: str, words: int = 60) -> str:
    """A text that depends on the prompt alone."""
    seed = hashlib.blake2b(prompt.encode()).digest()
    picked = [WORDS[(seed[n % 64] + n * seed[(n + 1) % 64]) % len(WORDS)] for n in range(words)]
    return " ".join(picked).capitalize() + "."


class Server:
    """Counts what it is asked and what it has answered in full.

    Args:
        latency: seconds before a reply, or [least, most], drawn by the prompt.
        fault: what to say instead of a reply: "" for none, garbage, truncated, empty.
    """

    def __init__(self, latency: float | list[float] = 0.0, fault: str = "") -> None:
        self.latency = latency
        self.fault = fault
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        self.asked[prompt] += 1
        await asyncio.sleep(self._wait(prompt))
        self.paid[prompt] += 1
        if self.fault == "garbage":
            return web.Response(body=b"\xff\x00<html>not json", content_type="application/json")
        text = "" if self.fault == "empty" else reply_to(prompt)
        message = {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        reply = {"id": "x", "choices": [{"index": 0, "finish_reason": "stop", **message}], "usage": usage}
        if self.fault == "truncated":
            return web.Response(body=json.dumps(reply).encode()[:40], content_type="application/json")
        return web.json_response(reply)

    def _wait(self, prompt: str) -> float:
        if isinstance(self.latency, (int, float)):
            return self.latency
        least, most = self.latency
        return least + (most - least) * hashlib.blake2b(prompt.encode(), digest_size=1).digest()[0] / 255

    async def counts(self, request: web.Request) -> web.Response:
        return web.json_response({"asked": self.asked, "paid": self.paid})

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})


async def serve(options: dict[str, Any]) -> None:
    server = Server(**options)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/completions", server.chat)
    app.router.add_get("/v1/models", server.models)
    app.router.add_get("/counts", server.counts)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def teacher_server(**options: Any) -> Iterator[str]:
    """The address of a server that runs while the block does."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.teacher_server", json.dumps(options)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def counts_of(url: str) -> dict[str, Counter[str]]:
    """What the server was asked and what it answered, by prompt."""
    with urllib.request.urlopen(f"{url}/counts", timeout=10) as reply:
        found = json.load(reply)
    return {name: Counter(many) for name, many in found.items()}


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
