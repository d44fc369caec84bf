"""The most a request may need, before it is sent: what the budget sets aside for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from hornbook.core.asking import Reply, Request

BYTES_PER_TOKEN = 3.0
"""Of ASCII text: a low estimate for prose and code in any tokenizer of today (English has 4 to 5)."""
FORM = 16
"""Tokens that a chat form puts around a prompt."""
MAX_TOKENS = 512
"""Of a reply that nothing bounds, until longer ones came."""
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Worst:
    """Estimates, and learns: where a reply shows that an estimate was too low, no later one is so low again.

    A prompt's tokens are its ASCII bytes / 3 and one a byte of everything else (a tokenizer that does not know a
    script falls back to bytes: Touvron et al., arXiv:2307.09288), its schema's likewise; a reply's are its bound.
    Servers put long system prompts around ours, count otherwise and write past `max_tokens`: the largest share by
    which any of these passed its estimate so far multiplies all later ones.
    """

    def __init__(self) -> None:
        self._prompts = self._replies = 1.0
        self._longest = MAX_TOKENS
        self._schema: Mapping[str, Any] | None = None
        self._schema_tokens = 0.0

    def of(self, request: Request) -> tuple[int, int]:
        """(tokens of the prompt, tokens of the reply), no fewer than there will be, as far as anyone can know."""
        return int(self._prompt(request) * self._prompts) + 1, int(self._reply(request) * self._replies)

    def learn(self, request: Request, reply: Reply) -> None:
        """Hear what a request took whose reservation it passed."""
        self._prompts = max(self._prompts, reply.prompt_tokens / self._prompt(request))
        bound = bounded(request)
        if bound is None:
            self._longest = max(self._longest, reply.completion_tokens)
        else:
            self._replies = max(self._replies, reply.completion_tokens / max(1, bound))

    def _prompt(self, request: Request) -> float:
        tokens = FORM + (tokens_of(request.prompt) if request.prompt else 0.0)
        for message in request.messages:
            tokens += tokens_of(str(message.get("content", "")))
        if request.schema is not None:
            if request.schema is not self._schema:
                self._schema = request.schema
                self._schema_tokens = len(orjson.dumps(dict(request.schema), default=str)) / BYTES_PER_TOKEN
            tokens += self._schema_tokens
        return tokens

    def _reply(self, request: Request) -> int:
        bound = bounded(request)
        return self._longest if bound is None else bound


def bounded(request: Request) -> int | None:
    """The longest reply that a request asks for, tokens; None where nothing bounds it."""
    for name in _LIMITS:
        if (found := request.params.get(name)) is not None:
            return int(found)
    return None


def tokens_of(text: str) -> float:
    """No fewer tokens than a text has in any tokenizer, for prose and code.

    One a byte of what is not ASCII: such a character has 2 to 4 bytes, of which at most half are its first.
    """
    size = len(text.encode("utf-8", "replace"))
    return min(float(size), len(text) / BYTES_PER_TOKEN + 2.0 * (size - len(text)))
