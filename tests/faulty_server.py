"""A teacher that misbehaves, in a process of its own: real HTTP, real money counted, the same every time.

It speaks OpenAI's chat and completion calls and both providers' batch calls (`tests.faulty_batches`). What goes
wrong is drawn from the seed, the prompt and how often that prompt was asked, nothing else, so two runs meet the
same faults in whatever order they ask.

`python -m tests.faulty_server '{"latency": 0.02, "faults": {"500": 0.1}}'` prints its port on the first line.

    with faulty_server(faults={"reset": 0.05}, rate=20) as url:
        ...  # url + "/v1"
        counts_of(url)["paid"]

A completion is *paid* once the server has generated it, whether or not anyone got it; *delivered* once its
whole reply was handed over to a client that was there; *spoiled* when the server itself broke the reply on its
way. `GET /counts` has them by prompt, `GET /totals` summed, `GET /spans` (option `log`) every request with its
times (of CLOCK_MONOTONIC, the same for all processes of a machine).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import struct
import sys
import time
import urllib.request
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.utils import formatdate
from statistics import NormalDist
from typing import Any

import orjson

from tests.commands import serving
from tests.faulty_batches import Batches
from tests.faulty_http import Call, head, listen
from tests.faulty_limits import limit_of

TALE = "the a little fox ran home and saw red ball under big tree then happy bird sang to sun moon"
WORDS = TALE.split()

FOR_GOOD = ("refusal", "filter", "length")
"""Faults of the prompt itself: the model declines (in the field made for that), the filter cuts the reply off, the
prompt is over the context (HTTP 400, unpaid). Asking again changes nothing."""
UNPAID = ("429", "500", "502", "503", "drop", "hang")
"""Before anything is generated. drop: the connection ends without a word; hang: nothing comes until the client
gives up."""
SPOILED = ("reset", "short", "long", "truncated", "garbage")
"""Generated and paid, but broken. reset: half a body, then a reset; short: less than the announced length, then the
end; long: more than the announced length; truncated: half the JSON under an honest length; garbage: no JSON."""
ODD = ("empty", "model", "trickle")
"""Generated, paid and delivered, but: without text; under another model's name; in many small pieces."""
FAULTS = FOR_GOOD + UNPAID + SPOILED + ODD
PAUSE = 0.01
"""Seconds between the pieces of a trickle."""


@dataclass(slots=True)
class Options:
    """How the server behaves; all of it from JSON.

    Args:
        seed: of every draw.
        model: the model's name.
        words: length of a completion, cut at max_tokens.
        vary: whether a prompt that is asked again is answered otherwise, as by a model that samples.
        latency: seconds to generate: a number; [least, most], drawn; {"median", "sigma"}: lognormal.
        stragglers: {"share", "seconds"}: that share takes that long instead, outside of `workers`.
        faults: fault → probability of it at each attempt (FOR_GOOD: of the prompt).
        fault: one fault that always strikes; the same as faults={fault: 1}.
        faulty_attempts: later attempts at a prompt meet no faults but those for good; None for no end.
        rate: requests a second the server admits (a token bucket of one second's); None for all.
        limit: another limit than `rate`, as `tests.faulty_limits.limit_of` reads it.
        refusal: the status with which that limit refuses, 429 or 503.
        retry_after: what a 429 or 503 says: none, seconds (whole, rounded up), ms (`retry-after-ms`), date (of
            HTTP), or these very words.
        workers: completions generated at once, the others wait; None for all.
        cancel: whether a client that hangs up stops the generation, which is then not paid.
        log: keep every request for `GET /spans`.
        port: to listen on; 0 for any that is free.
        batch: options of `tests.faulty_batches.Batches`.
    """

    seed: int = 0
    model: str = "test"
    words: int = 60
    vary: bool = False
    latency: float | list[float] | dict[str, float] = 0.0
    stragglers: dict[str, float] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    fault: str = ""
    faulty_attempts: int | None = None
    rate: float | None = None
    limit: dict[str, Any] = field(default_factory=dict)
    refusal: str = "429"
    retry_after: str = "none"
    workers: int | None = None
    cancel: bool = False
    log: bool = False
    port: int = 0
    batch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fault:
            self.faults = {self.fault: 1.0}
        if self.rate is not None:
            self.limit = {"kind": "tokens", "rate": self.rate}
        unknown = set(self.faults) - set(FAULTS)
        if unknown:
            raise ValueError(f"unknown: {sorted(unknown)}")


@dataclass(slots=True)
class Span:
    """One request as the server saw it; times of CLOCK_MONOTONIC, None for what never came."""

    prompt: str
    attempt: int
    arrived: float
    paid: float | None = None
    delivered: float | None = None
    ended: float | None = None
    fate: str = "lost"


class Server:
    """Answers, breaks and counts."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.limit = limit_of(options.limit)
        self.workers = asyncio.Semaphore(options.workers) if options.workers else None
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.spoiled: Counter[str] = Counter()
        self.totals = Counter({"in_flight": 0, "most": 0, "prompt_tokens": 0, "completion_tokens": 0})
        self.fates: Counter[str] = Counter()
        self.spans: list[Span] = []
        self.batches = Batches(self.complete, self.draw, **options.batch)

    async def handle(self, call: Call) -> None:
        """Any request."""
        if call.path in ("/v1/chat/completions", "/v1/completions"):
            await self.ask(call)
        elif call.path == "/v1/models":
            await call.say({"object": "list", "data": [{"id": self.options.model, "object": "model"}]})
        elif call.path == "/counts":
            await call.say(self.counts())
        elif call.path == "/totals":
            await call.say(self.sums())
        elif call.path == "/spans":
            await call.send(orjson.dumps(self.spans))
        else:
            await self.batches.handle(call)

    def counts(self) -> dict[str, Any]:
        """Everything that was counted."""
        batched = self.batches.paid()
        by_prompt = {name: getattr(self, name) for name in ("asked", "paid", "delivered", "spoiled")}
        return {**by_prompt, "batch_paid": batched, "totals": self.sums()}

    def sums(self) -> dict[str, Any]:
        """Everything that was counted, summed."""
        self.batches.advance()
        sums = {name: getattr(self, name).total() for name in ("asked", "paid", "delivered", "spoiled")}
        return {**sums, **self.totals, "batches": len(self.batches.all), "fates": self.fates}

    async def ask(self, call: Call) -> None:
        """A completion, or what the draws have in store for it."""
        body = orjson.loads(call.body)
        prompt = prompt_of(body)
        self.asked[prompt] += 1
        span = Span(prompt, self.asked[prompt], time.monotonic())
        if self.options.log:
            self.spans.append(span)
        self.totals["in_flight"] += 1
        self.totals["most"] = max(self.totals["most"], self.totals["in_flight"])
        try:
            await self._answer(call, body, span)
        finally:
            self.totals["in_flight"] -= 1
            self.fates[span.fate] += 1
            span.ended = time.monotonic()

    async def _answer(self, call: Call, body: dict[str, Any], span: Span) -> None:
        now = time.monotonic()
        if not self.limit.admit(now):
            span.fate = self.options.refusal
            await self._refuse(call, span.fate, self.limit.after(now))
            return
        try:
            await self._answer_admitted(call, body, span)
        finally:
            self.limit.leave()

    async def _answer_admitted(self, call: Call, body: dict[str, Any], span: Span) -> None:
        fault = self.fault(span.prompt, span.attempt)
        if fault in UNPAID or fault == "length":
            span.fate = fault
            await self._refuse(call, fault, 1.0)
            return
        if not await self._generate(call, span):
            span.fate = "cancelled"
            return
        reply = self.complete(span.prompt, body, fault)
        span.paid = time.monotonic()
        span.fate = fault or "ok"
        if fault in SPOILED:
            self.spoiled[span.prompt] += 1
            await spoil(call, orjson.dumps(reply), fault)
        elif await self._hand_over(call, orjson.dumps(reply), fault):
            self.delivered[span.prompt] += 1
            span.delivered = time.monotonic()
        else:
            span.fate = "lost"

    async def _generate(self, call: Call, span: Span) -> bool:
        """Take the time that a completion takes; whether it came to its end."""
        draw = self.draw(span.prompt, span.attempt, "latency")
        slow = self.options.stragglers
        if slow and self.draw(span.prompt, 0, "straggler") < slow["share"]:
            return await self._wait(call, slow["seconds"])
        if self.workers is None:
            return await self._wait(call, seconds_of(self.options.latency, draw))
        async with self.workers:
            return await self._wait(call, seconds_of(self.options.latency, draw))

    async def _wait(self, call: Call, seconds: float) -> bool:
        if not self.options.cancel:
            if seconds:
                await asyncio.sleep(seconds)
            return True
        try:
            await asyncio.wait_for(call.gone(), seconds)
        except TimeoutError:
            return True
        return False

    async def _hand_over(self, call: Call, reply: bytes, fault: str) -> bool:
        if fault != "trickle":
            return await call.send(reply)
        await call.write(head(200, len(reply), "application/json"))
        size = len(reply) // 20 + 1
        sent = False
        for at in range(0, len(reply), size):
            await asyncio.sleep(PAUSE)
            sent = await call.write(reply[at : at + size])
        return sent

    async def _refuse(self, call: Call, fault: str, wait: float) -> None:
        if fault == "hang":
            await call.gone()
        elif fault == "drop":
            call.hang_up()
        elif fault == "502":
            await call.send(b"<html><h1>502 Bad Gateway</h1></html>", 502, "text/html")
        elif fault == "length":
            said = "This model's maximum context length is 16 tokens."
            await call.say({"error": {"message": said, "code": "context_length_exceeded"}}, 400)
        else:
            headers = self._when(wait) if fault in ("429", "503") else {}
            await call.say({"error": {"message": f"fault {fault}", "code": fault}}, int(fault), **headers)

    def _when(self, wait: float) -> dict[str, str]:
        """What a refusal says of when to come again."""
        said = self.options.retry_after
        if said == "none":
            return {}
        if said == "ms":
            return {"retry-after-ms": f"{wait * 1000:.0f}"}
        if said == "date":
            return {"retry-after": formatdate(math.ceil(time.time() + wait), usegmt=True)}
        return {"retry-after": str(math.ceil(wait)) if said == "seconds" else said}

    def fault(self, prompt: str, attempt: int) -> str:
        """What goes wrong with this attempt at this prompt; '' for nothing."""
        tired = self.options.faulty_attempts is not None and attempt > self.options.faulty_attempts
        for kinds, number in ((FOR_GOOD, 0), (UNPAID + SPOILED + ODD, attempt)):
            if number and tired:
                return ""
            left = self.draw(prompt, number, "fault")
            for kind in kinds:
                left -= self.options.faults.get(kind, 0.0)
                if left < 0:
                    return kind
        return ""

    def draw(self, prompt: str, attempt: int, what: str) -> float:
        """A number in [0, 1) that depends on the arguments and the seed alone."""
        said = f"{self.options.seed}\0{what}\0{attempt}\0{prompt}".encode("utf-8", "surrogatepass")
        return float(struct.unpack("<Q", hashlib.blake2b(said, digest_size=8).digest())[0] / 2**64)

    def complete(self, prompt: str, body: dict[str, Any], fault: str = "") -> dict[str, Any]:
        """Generate a completion in OpenAI's form, and count it as paid."""
        most = body.get("max_completion_tokens") or body.get("max_tokens") or self.options.words
        said = f"{self.paid[prompt]} {prompt}" if self.options.vary else prompt
        text = "" if fault in ("empty", "refusal") else reply_to(said, min(self.options.words, most))
        finish = "length" if most < self.options.words else "stop"
        if text and (form := body.get("response_format")):
            text, finish = json.dumps(instance(form["json_schema"]["schema"], said)), "stop"
        if fault == "filter":
            text, finish = text[: len(text) // 2], "content_filter"
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": text}
            if fault == "refusal":
                choice["message"] |= {"content": None, "refusal": "I cannot help with that."}
        else:
            choice["text"] = text
        tokens = (len(prompt.split()), len(text.split()))
        self.paid[prompt] += 1
        self.totals["prompt_tokens"] += tokens[0]
        self.totals["completion_tokens"] += tokens[1]
        return {
            "id": f"cmpl-{self.paid[prompt]}",
            "object": "chat.completion" if "messages" in body else "text_completion",
            "created": 0,
            "model": "quite-another" if fault == "model" else self.options.model,
            "choices": [choice],
            "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
        }


async def spoil(call: Call, reply: bytes, fault: str) -> None:
    """Write a reply as the fault will have it."""
    half = len(reply) // 2
    if fault == "truncated":
        await call.send(reply[:half])
    elif fault == "garbage":
        await call.send(b"\xff\x00<html>not json")
    elif fault == "reset":
        await call.write(head(200, len(reply), "application/json") + reply[:half])
        call.reset()
    else:
        announced = len(reply) + 100 if fault == "short" else half
        await call.write(head(200, announced, "application/json") + reply)
        call.hang_up()


def seconds_of(latency: float | list[float] | dict[str, float], draw: float) -> float:
    """A latency from its distribution."""
    if isinstance(latency, dict):
        return float(latency["median"] * math.exp(latency["sigma"] * NormalDist().inv_cdf(max(draw, 1e-12))))
    if isinstance(latency, list):
        return latency[0] + (latency[1] - latency[0]) * draw
    return latency


def prompt_of(body: dict[str, Any]) -> str:
    """The last message, or the prompt."""
    if "messages" not in body:
        return str(body["prompt"])
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def reply_to(prompt: str, words: int = 60) -> str:
    """A text that depends on the prompt alone."""
    seed = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass")).digest()
    picked = [WORDS[(seed[n % 64] + n * seed[(n + 1) % 64]) % len(WORDS)] for n in range(words)]
    return " ".join(picked).capitalize() + "."


def instance(schema: dict[str, Any], prompt: str) -> Any:
    """JSON that fits a plain schema (objects of enums, truth values and texts) and depends on the prompt alone."""
    if "properties" in schema:
        return {name: instance(inner, f"{name} {prompt}") for name, inner in schema["properties"].items()}
    seed = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass")).digest()[0]
    if "enum" in schema:
        return schema["enum"][seed % len(schema["enum"])]
    return seed % 2 == 0 if schema.get("type") == "boolean" else reply_to(prompt, 5)


async def serve(options: Options) -> None:
    server = Server(options)
    print(await listen(server.handle, options.port), flush=True)
    await asyncio.Event().wait()


def faulty_server(**options: Any) -> AbstractContextManager[str]:
    """The address of a server that runs while the block does."""
    return serving("tests.faulty_server", json.dumps(options))


def counts_of(url: str) -> dict[str, Any]:
    """What the server was asked, was paid for and has delivered, by prompt, and the totals."""
    found = _get(f"{url}/counts")
    return {name: many if name == "totals" else Counter(many) for name, many in found.items()}


def totals_of(url: str) -> dict[str, Any]:
    """The sums alone."""
    found: dict[str, Any] = _get(f"{url}/totals")
    return found


def spans_of(url: str) -> list[Span]:
    """Every request, in the order of arrival; needs the option `log`."""
    return [Span(**span) for span in _get(f"{url}/spans")]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as reply:
        return json.load(reply)


if __name__ == "__main__":
    asyncio.run(serve(Options(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}"))))
