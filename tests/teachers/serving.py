"""A small HTTP server in a thread of its own that can do all that real servers do wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Action = bytes | float | str
"""Bytes are sent, a number is waited (seconds), "reset" and "close" end the connection."""


@dataclass
class Call:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """What the test gets: the address, and what came in."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    connections: int = 0

    def posts(self) -> list[Call]:
        return [call for call in self.calls if call.method == "POST"]


Handler = Callable[[Call], list[Action]]


def response(status: int, body: bytes | Any = b"", **headers: str) -> bytes:
    """A whole HTTP answer; `body` other than bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def chat(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The JSON of a chat reply."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    return {"id": "x", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


@contextmanager
def serving(handler: Handler) -> Iterator[Server]:
    """Serve until the block ends. `handler` is called in the server's thread."""
    server, started, loop = Server(), threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def main() -> None:
        listener = await asyncio.start_server(lambda r, w: _connection(server, handler, r, w), "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        started.set()
        await done.wait()
        listener.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


async def _connection(
    server: Server, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    server.connections += 1
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            call = Call(method, path, headers, body)
            server.calls.append(call)
            for action in handler(call):
                if isinstance(action, bytes):
                    writer.write(action)
                    await writer.drain()
                elif isinstance(action, str):
                    if action == "reset":
                        writer.transport.abort()
                    return writer.close()
                else:
                    await asyncio.sleep(action)
    writer.close()
    return None
