"""What a recipe says about a teacher, and the one function that makes the teacher from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from hornbook.core.asking import Teacher
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.teachers.shaping import Api, name_in_keys

DEFAULT_MODEL = "smollm2-135m-instruct"

SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "logprobs",
    "top_logprobs",
)
LLAMA = "llama.cpp's own default is used where none is set"
API = "https://platform.openai.com/docs/api-reference"
PROVIDERS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com/v1"}
"""Where a batch goes whose teacher names no address."""


class Price(BaseModel):
    """What tokens cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = knob(0.0, help="price of prompt tokens", unit="US dollars per million tokens", ge=0)
    output: float = knob(0.0, help="price of reply tokens", unit="US dollars per million tokens", ge=0)
    cached: float | None = knob(
        None,
        help="price of prompt tokens that the provider's cache had; unset: that of all prompt tokens",
        unit="US dollars per million tokens",
        ge=0,
    )


class TeacherSpec(BaseModel):
    """A teacher as a recipe names it.

    Keys of requests cover the model's name and the sampling parameters (`params`), nothing else: where
    a teacher runs, how many requests it takes at once, how long it may take and what it costs change
    no reply and so pay for no reply again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    use: Literal["local", "openai", "scripted"] = knob(
        "local", help="local: a GGUF model in process; openai: any OpenAI-compatible server; scripted: no model"
    )
    url: str | None = knob(None, help="the server's address up to and with /v1; implies use: openai")
    urls: tuple[str, ...] = knob((), help="several servers of the same model; the least busy is asked")
    urls_file: str | None = knob(
        None,
        help="a file of such addresses, one a line, read again whenever it changes: a cluster's jobs add theirs when "
        "they are up; implies use: openai",
    )
    model: str = knob(
        DEFAULT_MODEL,
        help="local: a name of `hornbook models list`, a .gguf file or owner/repo/file.gguf on the hub; "
        "openai: the name that the server knows it by",
    )
    api: Api = knob(
        "auto",
        help="auto: chat where the request has messages, else completion; chat: a bare prompt is sent as a "
        "user's message; completion: messages are joined, for base models",
    )
    concurrency: int = knob(
        64, help="requests under way at once (openai, scripted; local: slots × copies)", unit="requests", ge=1
    )
    rpm: float | None = knob(
        None, help="openai: most requests a minute, all servers together; unset: as many as they take", gt=0
    )
    tpm: float | None = knob(
        None, help="openai: most tokens a minute, prompts and longest replies, all servers together", gt=0
    )
    timeout: float = knob(600.0, help="longest wait for one reply", unit="seconds", gt=0, source="openai-python: 600 s")
    key_env: str = knob(
        "",
        help="name of the environment variable that holds the API key; empty: OPENAI_API_KEY (batch: anthropic: "
        "ANTHROPIC_API_KEY), sent only over https or to this machine",
    )
    batch: Literal["openai", "anthropic"] | None = knob(
        None,
        help="ask through the provider's batch API, at half the price and within a day: in OpenAI's form or "
        "Anthropic's; url is then the API's address (unset: the provider's own)",
    )
    batches: int = knob(8, help="batches at the provider at once", unit="batches", ge=1)
    batch_requests: int | None = knob(
        None, help="most requests in a batch; unset: OpenAI 50,000, Anthropic 100,000", unit="requests", ge=1
    )
    batch_megabytes: float | None = knob(
        None, help="largest file of a batch; unset: OpenAI 200, Anthropic 256", unit="MB (10⁶ bytes)", gt=0
    )
    batch_wait: float = knob(60.0, help="longest wait between two looks at a batch", unit="seconds", gt=0)
    price: Price | None = knob(
        None, help="price of tokens; unset: looked up by address and model, where a provider is asked"
    )
    usd_per_hour: float = knob(0.0, help="price of the machine", unit="US dollars per hour", ge=0)

    temperature: float | None = knob(None, help="sampling temperature", ge=0, le=5, source=LLAMA)
    top_p: float | None = knob(None, help="nucleus sampling", unit="probability", gt=0, le=1, source=LLAMA)
    top_k: int | None = knob(None, help="sample among this many tokens; 0 for all", unit="tokens", ge=-1)
    min_p: float | None = knob(
        None, help="leave out tokens less likely than this share of the likeliest", unit="share", ge=0, le=1
    )
    max_tokens: int | None = knob(None, help="longest reply", unit="tokens", ge=1)
    repetition_penalty: float | None = knob(
        None, help="divide the logits of tokens seen (llama.cpp: repeat_penalty)", gt=0, source="arXiv:1909.05858"
    )
    frequency_penalty: float | None = knob(None, help="lower tokens by how often they came", ge=-2, le=2, source=API)
    presence_penalty: float | None = knob(None, help="lower tokens that came at all", ge=-2, le=2, source=API)
    stop: tuple[str, ...] | None = knob(None, help="texts that end the reply")
    seed: int | None = knob(None, help="of the sampling; local without one: from the request's key", ge=0, lt=2**31)
    logprobs: bool | int | None = knob(None, help="ask for log probabilities (chat: true; completion: how many)")
    top_logprobs: int | None = knob(None, help="log probabilities of this many tokens at each place", ge=0, le=20)
    extra: dict[str, Any] = knob(
        default_factory=dict, help="further fields of the request's body, as the server names them"
    )

    slots: int = knob(8, help="local: requests written side by side by one copy", unit="requests", ge=1, le=256)
    context: int = knob(2048, help="local: longest prompt and reply together", unit="tokens", ge=128)
    threads: int | Literal["auto"] = knob(
        "auto", help="local: processor threads in all; auto: measured", unit="threads"
    )
    copies: int | Literal["auto"] = knob(
        "auto", help="local: copies of the weights that share the threads; auto: one a thread where memory allows"
    )

    replies: InputPath | None = knob(
        None, help='scripted: JSONL of {"match": regex or {"key": …}, "text": …}; the first that fits answers'
    )
    rule: Literal["echo", "story"] = knob("echo", help="scripted: what to say where no reply fits")
    latency: float = knob(0.0, help="scripted: how long each reply takes", unit="seconds", ge=0)

    @field_validator("threads", "copies")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= 1024:
            raise ValueError("must be auto or 1 to 1024")
        return value

    @field_validator("extra")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = {"model", "messages", "prompt", "n", "stream", "stream_options", "response_format", *SAMPLING}
        if clash := sorted(taken & value.keys()):
            raise ValueError(f"{', '.join(clash)} cannot be set in `extra`")
        return value

    @model_validator(mode="after")
    def _batches_go_to_one_address(self) -> Self:
        if self.batch and len(self.addresses()) > 1:
            raise ValueError("`batch` takes one url: a batch lives at one provider")
        return self

    @model_validator(mode="after")
    def _urls_are_addresses(self) -> Self:
        for url in self.addresses():
            if not is_address(url):
                raise ValueError(f"{url!r} is no address: write http://HOST:PORT/v1")
        return self

    def addresses(self) -> tuple[str, ...]:
        """All servers, without a slash at the end."""
        found = ((self.url,) if self.url else ()) + self.urls
        if self.batch and not found:
            found = (PROVIDERS[self.batch],)
        return tuple(dict.fromkeys(url.strip().rstrip("/") for url in found))

    def online(self) -> TeacherSpec:
        """The same teacher asked online: what a pilot of a batch does. Anthropic's own server has a key of its own."""
        own = self.batch == "anthropic" and self.addresses() == (PROVIDERS["anthropic"],) and not self.key_env
        return self.model_copy(update={"key_env": "ANTHROPIC_API_KEY"}) if own else self

    def kind(self) -> Literal["local", "openai", "scripted"]:
        """The teacher meant: `url` or `urls` always mean a server, so that `--set teacher.url=…` is enough."""
        return "openai" if self.addresses() or self.urls_file else self.use

    def params(self) -> dict[str, Any]:
        """The sampling parameters of every request, as the OpenAI API names them; part of its key."""
        given = {name: getattr(self, name) for name in SAMPLING}
        found = {name: value for name, value in given.items() if value is not None}
        if self.stop is not None:
            found["stop"] = list(self.stop)
        return dict(self.extra) | found


def is_address(url: str) -> bool:
    """Whether it can be a server's address."""
    return url.startswith(("http://", "https://")) and len(url.split("//", 1)[1]) > 0


def addresses_in(file: Path, log: Callable[[str], None]) -> tuple[str, ...]:
    """The addresses that a file names, one a line; what follows # is for people. Lines that are none are told.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        url = line.partition("#")[0].strip().rstrip("/")
        if is_address(url):
            found.append(url)
        elif url:
            log(f"teacher: {file}: {url[:80]!r} is no address: write http://HOST:PORT/v1")
    return tuple(dict.fromkeys(found))


def name_of(spec: TeacherSpec, cache: Path) -> str | None:
    """The teacher's name in request keys, None where only its weights can tell and they are not here yet.

    Raises:
        UserError: the spec names no teacher that can be.
    """
    if spec.kind() == "openai":
        return name_in_keys(spec.model, spec.api)
    if spec.kind() == "scripted":
        from hornbook.teachers.scripted import Scripted

        return Scripted(spec).name
    from hornbook.teachers.weights import name_with_digest

    name = name_with_digest(spec.model, cache)
    return None if name is None else name_in_keys(name, spec.api)


def open_teacher(spec: TeacherSpec, cache: Path, log: Callable[[str], None]) -> Teacher:
    """The teacher of a spec, ready to be entered (`async with`); local weights are fetched if need be.

    Args:
        spec: what the recipe says.
        cache: the folder that keeps weights (`hornbook.teachers.weights.default_cache()`).
        log: told a line at a time what takes long and what was chosen.

    Raises:
        UserError: no such model, key or file, or a package is missing.
        HornbookError: the weights cannot be had.
    """
    if spec.kind() == "openai":
        from hornbook.teachers.openai import OpenAI

        return OpenAI(spec, log)
    if spec.kind() == "scripted":
        from hornbook.teachers.scripted import Scripted

        return Scripted(spec)
    try:
        from hornbook.teachers.local import Local
    except ImportError as error:
        raise UserError(
            f"the local teacher needs xllamacpp, which cannot be imported: {error}",
            where="teacher",
            fix="pip install 'hornbook[local]', or name a server: --set teacher.url=http://HOST:PORT/v1",
        ) from error
    from hornbook.teachers.weights import name_with_digest, pull, telling

    path = pull(spec.model, cache, telling(log, spec.model))
    name = name_with_digest(spec.model, cache) or path.stem
    return Local(spec, path, name_in_keys(name, spec.api), log)
