"""Batch APIs of providers: many requests in one file, answered within a day, at half the price.

What OpenAI's (https://platform.openai.com/docs/api-reference/batch) and Anthropic's
(https://platform.claude.com/docs/en/build-with-claude/batch-processing) have in common. Each request carries the name
`KEY-CLIENT` (its `custom_id`): its own key and the id of the batch as we recorded it before sending.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from hornbook.core.asking import ErrorClass, Raw, Request
from hornbook.core.errors import UserError
from hornbook.teachers.wire import Wire

if TYPE_CHECKING:
    from hornbook.teachers.spec import TeacherSpec

KEY_LENGTH = 32
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most one batch may hold: requests, and bytes of the file that is sent."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its provider describes it.

    Args:
        id: the provider's name for it.
        status: in the provider's word.
        created: Unix time.
        ended: whether nothing more will come.
        failed: why the whole batch was refused (nothing of it was asked), or ''.
        later: whether the same batch may be taken another time (a queue is full).
        total, done: requests in it, and how many are over; 0 where not told.
        client: our id as the provider kept it, '' where it keeps none.
        file: the provider's id of the uploaded file, '' where there is none.
        outputs: paths, under the API's address, where the replies are.
    """

    id: str
    status: str
    created: float
    ended: bool = False
    failed: str = ""
    later: bool = False
    total: int = 0
    done: int = 0
    client: str = ""
    file: str = ""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """What came back for one request.

    Args:
        key, client: the two halves of the `custom_id`.
        raw: the reply in the form of OpenAI's chat or completion reply, or None.
        error: class of the failure where there is no reply.
        detail: its evidence.
        again: whether asking once more can help (expired, cancelled, busy).
    """

    key: str
    client: str
    raw: Raw | None = None
    error: ErrorClass = "transport"
    detail: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Framing:
    """How requests are put together into the file that is sent: one a line, whatever stands around them."""

    head: bytes
    joint: bytes
    tail: bytes


class BatchApi(Protocol):
    """One provider's batch API."""

    name: str
    limits: Limits
    framing: Framing
    url: str

    def line(self, request: Request, custom_id: str) -> tuple[str, bytes]:
        """(the route it must go to, its JSON beginning with `{"custom_id":"…"`).

        Raises:
            UserError: the API cannot be asked this.
        """
        ...

    async def upload(self, file: Path, client: str) -> str:
        """Send the file ahead; '' where the API takes it with `create`."""
        ...

    async def create(self, file: Path, uploaded: str, route: str, client: str) -> Batch:
        """Submit. From here on it costs.

        Raises:
            Busy: surely not taken; later perhaps.
            TeacherError: with `retry`: nobody knows whether it was taken; without: surely refused.
        """
        ...

    async def look(self, batch_id: str) -> Batch:
        """How a batch is."""
        ...

    def listed(self, since: float) -> AsyncIterator[Batch]:
        """All batches of the account created after a Unix time."""
        ...

    async def is_ours(self, batch: Batch, client: str, uploaded: str, count: int) -> bool | None:
        """Whether this batch is the one we recorded; None where only its end can tell."""
        ...

    def results(self, batch: Batch) -> AsyncIterator[bytes]:
        """The lines of all its outputs, as they come."""
        ...

    def read(self, line: bytes) -> Item | None:
        """One line; None where it is of no form we know."""
        ...


def custom_id(key: str, client: str) -> str:
    """The name a request has in a batch; 57 characters of [0-9a-f-], Anthropic takes 64."""
    return f"{key}-{client}"


def halves(name: Any) -> tuple[str, str] | None:
    """(key, client) of a `custom_id` of ours, or None."""
    if not isinstance(name, str) or len(name) <= KEY_LENGTH + 1 or name[KEY_LENGTH] != "-":
        return None
    return name[:KEY_LENGTH], name[KEY_LENGTH + 1 :]


def secret(spec: TeacherSpec, usual: str, url: str) -> str:
    """The API key, '' for none.

    Args:
        spec: says where it is (`key_env`).
        usual: the environment variable read where the spec names none, for https and this machine only.
        url: where it would go.

    Raises:
        UserError: `key_env` names a variable that is not set.
    """
    if spec.key_env:
        key = os.environ.get(spec.key_env, "").strip()
        if not key:
            raise UserError(
                f"the environment variable {spec.key_env} is not set",
                where="teacher.key_env",
                fix=f"export {spec.key_env}=… (the key itself is never written anywhere)",
            )
        return key
    safe = url.startswith("https://") or urlsplit(url).hostname in LOOPBACK
    return os.environ.get(usual, "").strip() if safe else ""


@asynccontextmanager
async def open_batches(spec: TeacherSpec) -> AsyncIterator[BatchApi]:
    """The batch API that a spec names, ready to be used.

    Raises:
        UserError: the key is missing.
    """
    from hornbook.teachers import batch_anthropic, batch_openai

    module = batch_anthropic if spec.batch == "anthropic" else batch_openai
    url = spec.addresses()[0]
    key = secret(spec, module.KEY_ENV, url)
    limits = Limits(
        min(module.LIMITS.requests, spec.batch_requests or module.LIMITS.requests),
        min(module.LIMITS.bytes, int((spec.batch_megabytes or 1000) * 1e6)),
    )
    async with Wire(url, module.headers(key), key, spec.timeout) as wire:
        if spec.batch == "anthropic":
            yield batch_anthropic.AnthropicBatches(wire, spec.model, limits)
        else:
            yield batch_openai.OpenAIBatches(wire, spec.model, spec.api, limits)
