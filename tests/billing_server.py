"""A teacher that bills as it likes: replies longer than asked for, prompts counted otherwise, usage left out.

In a thread of the test's own process; what it bills is counted when the completion is written, whoever got it.

    with billing_server(times=3, usage="none") as server:
        ...  # server.url + "/v1"
        server.prompt_tokens, server.completion_tokens, server.paid
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Billing:
    """How it behaves and what it billed.

    Args:
        times: completions have so many times `max_tokens` tokens …
        words: … or so many, where no `max_tokens` is sent.
        hidden: prompt tokens of a system prompt of its own, billed each time.
        usage: all, none, or prompt (the completion's count is left out).
        latency: seconds to generate.
        counts: prompt text → tokens; unset: one a byte, the most there can be.
        says: request's body → the completion's text; unset: words.
        refuses: request's body → an HTTP status instead of a reply (unpaid), or None.
    """

    times: float = 1.0
    words: int = 40
    hidden: int = 0
    usage: str = "all"
    latency: float = 0.0
    counts: Callable[[str], int] = lambda text: len(text.encode())
    says: Callable[[Body], str] | None = None
    refuses: Callable[[Body], int | None] = lambda body: None
    url: str = ""
    paid: int = 0
    asked: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    most: int = 0
    bodies: list[Body] = field(default_factory=list)
    by_prompt: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, body: Body) -> tuple[int, bytes]:
        """The status and the reply, billed."""
        with self.lock:
            self.asked += 1
            self.bodies.append(body)
        if (status := self.refuses(body)) is not None:
            return status, json.dumps({"error": {"message": f"refused with {status}"}}).encode()
        time.sleep(self.latency)
        prompt = "\n".join(message["content"] for message in body["messages"])
        many = round(self.times * body["max_tokens"]) if "max_tokens" in body else self.words
        text = self.says(body) if self.says else " ".join(f"w{n % 97}" for n in range(many))
        many = len(text.split()) if self.says else many
        usage = {"prompt_tokens": self.counts(prompt) + self.hidden, "completion_tokens": many}
        with self.lock:
            self.paid += 1
            self.by_prompt[prompt] += 1
            self.prompt_tokens += usage["prompt_tokens"]
            self.completion_tokens += usage["completion_tokens"]
            self.most = max(self.most, sum(usage.values()))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        found: Body = {"id": "b", "object": "chat.completion", "model": "test", "choices": [choice]}
        if self.usage != "none":
            found["usage"] = usage if self.usage == "all" else {"prompt_tokens": usage["prompt_tokens"]}
        return 200, json.dumps(found).encode()


@contextmanager
def billing_server(**options: Any) -> Iterator[Billing]:
    """A server, up."""
    billing = Billing(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: else every reply waits for a delayed acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = billing.reply(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

        def handle_error(self, *_: Any) -> None: ...  # a killed client

    server = Server(("127.0.0.1", 0), Handler)
    billing.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield billing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
