"""The server's own ceiling: sockets and bytes made beforehand, no HTTP client, no JSON, nothing stored."""

import asyncio
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit


class Pump(asyncio.Protocol):
    """Sends the one request again as soon as its reply is whole."""

    def __init__(self, request, shared):
        self.request, self.shared = request, shared
        self.held = b""

    def connection_made(self, transport):
        """Send the first."""
        self.transport = transport
        self.send()

    def send(self):
        """The next request, or none where all are sent."""
        if self.shared["left"] > 0:
            self.shared["left"] -= 1
            self.transport.write(self.request)

    def data_received(self, data):
        """Count a whole reply; every one has the same length."""
        self.held += data
        if "size" not in self.shared:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.held[:end].lower()
            length = head[head.find(b"content-length:") + 15 :].split(b"\r\n", 1)[0]
            self.shared["size"] = end + 4 + int(length)
        if len(self.held) >= self.shared["size"]:
            self.held = self.held[self.shared["size"] :]
            self.shared["rows"] += 1
            self.send()
            if self.shared["rows"] == self.shared["count"]:
                self.shared["done"].set_result(None)


async def ask_all(job):
    """As many requests as the others send, over as many connections."""
    with Path(job["prompts"]).open(encoding="utf-8") as lines:
        prompt = json.loads(lines.readline())["prompt"]
    messages = [{"role": "user", "content": prompt}]
    body = json.dumps({"model": "test", "messages": messages, "max_tokens": job["max_tokens"]}).encode()
    place = urlsplit(job["url"])
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    shared = {"left": job["count"], "count": job["count"], "rows": 0, "done": loop.create_future()}
    for _ in range(job["concurrency"]):
        await loop.create_connection(lambda: Pump(head.encode() + body, shared), place.hostname, place.port)
    await shared["done"]
    return {"rows": shared["rows"], "texts": shared["rows"]}


if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(ask_all(json.loads(sys.argv[1])))), flush=True)
