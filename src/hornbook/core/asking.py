"""What is asked of a teacher and what comes back: values, one key, one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import orjson

from hornbook.core.keys import canonical, digest

ErrorClass = Literal["refusal", "filter", "parse", "length", "empty", "transport", "rejected", "not_wanted"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a teacher, complete.

    Args:
        model: the name under which the teacher's weights are known; part of the key, so that two
            different sets of weights must have two names. Local models add their SHA-256.
        messages: chat messages `{"role", "content"}`; empty for a plain completion.
        prompt: the text to be completed where `messages` is empty.
        params: sampling parameters as the OpenAI API names them (max_tokens, temperature, top_p …).
        schema: JSON schema of the reply, or None for free text.
        sample: index among several replies wanted for one prompt.
    """

    model: str
    messages: tuple[Mapping[str, str], ...] = ()
    prompt: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    sample: int = 0

    def canonical(self) -> bytes:
        """The one JSON form of the request: sorted keys, no spaces, UTF-8; what the journal keeps and the key is of.

        Raises:
            TypeError: it holds something JSON cannot say.
        """
        value = {
            "model": self.model,
            "messages": self.messages,
            "prompt": self.prompt,
            "params": self.params,
            "schema": self.schema,
            "sample": self.sample,
        }
        try:
            return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # lone surrogates, whole numbers over 64 bits
            messages = [dict(m) for m in self.messages]
            schema = None if self.schema is None else dict(self.schema)
            return canonical(value | {"messages": messages, "params": dict(self.params), "schema": schema})

    def key(self) -> str:
        """32 hex digits; equal requests have equal keys in every run, recipe and folder."""
        return digest(self.canonical())

    def body(self) -> dict[str, Any]:
        """The JSON body of OpenAI's chat or completion call, without the model's name."""
        body: dict[str, Any] = dict(self.params)
        if self.messages:
            body["messages"] = [dict(m) for m in self.messages]
        else:
            body["prompt"] = self.prompt
        if self.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": dict(self.schema), "strict": True},
            }
        return body


def _plain(value: object) -> object:
    """Mappings that are no dict, as dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot say {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Ahead:
    """A request that may follow a row's first one, as far as it can be told before anything is asked.

    Args:
        name: what for, in a word (sample, score, rewrite …).
        likely: how many rows in one come to it, where nothing was measured: 0 to 1.
        prompts: how often the row's own prompt stands in it.
        replies: how many replies of the length of the row's first one stand in it.
        words: its own words.
        shown: tokens of other replies, of known length, that stand in it.
        tokens: its longest reply; None: as long as the row's first one.
    """

    name: str
    likely: float = 1.0
    prompts: int = 1
    replies: int = 0
    words: str = ""
    shown: int = 0
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """What came over the wire, before anyone looked inside: journaled as it is.

    Args:
        body: the reply's JSON as bytes, in the form of OpenAI's chat or completion reply.
        seconds: from sending the request to the last byte of the reply.
    """

    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was read, or the reason why there is none.

    Args:
        key: the request's key.
        text: the reply's text; '' where `error` is set and nothing was written.
        finish: stop, length, content_filter … as the server said.
        prompt_tokens, completion_tokens: as the server counted.
        seconds: latency.
        error: why the reply is of no use, or None.
        detail: the evidence for `error`.
        logprobs: the server's log probabilities, where asked for.
        cached_tokens: prompt tokens that the server had in its cache, where it says so.
        before: earlier replies of the same row, where its requests follow from each other (`Ask.again`).
    """

    key: str
    text: str = ""
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: ErrorClass | None = None
    detail: str = ""
    logprobs: Any = None
    cached_tokens: int = 0
    before: tuple[Reply, ...] = ()


class TeacherError(Exception):
    """A request that got no reply.

    Args:
        detail: what happened, for the journal and the person.
        kind: class of the failure.
        retry: whether asking again can help.
        retry_after: seconds the server asked to wait, or None.
        busy: the server has not looked at it yet (a rate limit, a queue that is full), and the teacher knows how
            long to wait: it may be handed to the teacher again at once, any number of times.
        paid: whether it may have been answered, and billed, all the same: the reply broke off or came too late.
    """

    def __init__(
        self,
        detail: str,
        *,
        kind: ErrorClass = "transport",
        retry: bool = True,
        retry_after: float | None = None,
        busy: bool = False,
        paid: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.kind = kind
        self.retry = retry
        self.retry_after = retry_after
        self.busy = busy
        self.paid = paid


class Teacher(Protocol):
    """A model that writes or judges.

    `name` goes into every request's key. `concurrency` is how many requests it takes at once.
    `context` is the longest prompt plus reply in tokens, 0 where unknown.
    """

    name: str
    concurrency: int
    context: int

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def ask(self, request: Request) -> Raw:
        """Send one request and wait for the reply.

        Raises:
            TeacherError: no reply, with the class of the failure and whether to try again.
        """
        ...
