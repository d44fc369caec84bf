"""An OpenAI-compatible teacher that takes no time: what is measured against it is the client.

`python -m tests.zero_server [WORDS]` prints its port on the first line. HTTP/1.1, kept-alive, pipelined,
bodies by content length, one fixed reply; `GET /counts` says what it was asked, `/v1/models` lists `test`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from contextlib import AbstractContextManager

from hornbook.engine.asking.loops import run
from tests.commands import serving

WORDS = ["the", "little", "fox", "ran", "home", "and", "saw", "a", "red", "ball", "under", "the", "big", "tree", "then"]


def reply_body(words: int = 60) -> bytes:
    """The one reply: chat and completion in one, so that no request need be read."""
    text = " ".join(WORDS[n % len(WORDS)] for n in range(words)).capitalize() + "."
    choice = {"index": 0, "finish_reason": "stop", "text": text, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 12, "completion_tokens": words, "total_tokens": 12 + words}
    return json.dumps({"id": "zero", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Zero(asyncio.Protocol):
    """One connection. The counts are the class's: one process, one server."""

    reply = http(reply_body())
    posts = 0
    connections = 0
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        Zero.connections += 1
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        held = self.held + data if self.held else data
        while (end := held.find(b"\r\n\r\n")) >= 0:
            head = held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(held) < end + 4 + length:
                break
            held = held[end + 4 + length :]
            self._answer(head)
        self.held = held

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"post"):
            Zero.posts += 1
            self.transport.write(Zero.reply)
        elif head.startswith(b"get /counts"):
            counts = {"posts": Zero.posts, "connections": Zero.connections}
            self.transport.write(http(json.dumps(counts).encode()))
        else:
            self.transport.write(http(b'{"object": "list", "data": [{"id": "test", "object": "model"}]}'))


async def serve(words: int, protocol: type[Zero] = Zero) -> None:
    """Answer until killed."""
    Zero.reply = http(reply_body(words))
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def zero_server(words: int = 60) -> AbstractContextManager[str]:
    """The address of a server (without /v1) that runs while the block does, in a process of its own."""
    return serving("tests.zero_server", str(words))


def counts_of(url: str) -> dict[str, int]:
    """`posts` (requests answered) and `connections` so far."""
    with urllib.request.urlopen(f"{url}/counts", timeout=10) as reply:
        found: dict[str, int] = json.load(reply)
    return found


if __name__ == "__main__":
    run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
