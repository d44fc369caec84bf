"""What a teacher costs: by the recipe, by the hour of its machine, or as the library `genai-prices` knows it.

`genai-prices` (github.com/pydantic/genai-prices) carries the providers' price lists in its wheel: nothing is
fetched. It is imported only where a server on the internet is asked and the recipe says no price.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from hornbook.core.asking import Reply
from hornbook.core.errors import UserError
from hornbook.teachers.spec import TeacherSpec

BATCH_SHARE = 0.5
"""OpenAI (platform.openai.com/docs/guides/batch) and Anthropic (docs.anthropic.com, "Batch processing"): half."""


@dataclass(frozen=True, slots=True)
class Band:
    """Prices of requests with more than `over` prompt tokens, US dollars per million tokens.

    Args:
        over: prompt tokens above which this band holds for the whole request.
        prompt: of prompt tokens read anew.
        completion: of reply tokens.
        cached: of prompt tokens that the provider had in its cache.
    """

    over: int = 0
    prompt: float = 0.0
    completion: float = 0.0
    cached: float = 0.0


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a teacher costs.

    Args:
        bands: prices of tokens, by rising `over`; the first holds from the first token.
        request: US dollars for each request, beside its tokens.
        hour: US dollars for each hour of the teacher's machine.
        known: False where nobody has said and the library does not know: it then counts as 0.
        origin: where the prices are from, for people.
    """

    bands: tuple[Band, ...] = (Band(),)
    request: float = 0.0
    hour: float = 0.0
    known: bool = True
    origin: str = ""

    def of(self, prompt_tokens: float, tokens: float, cached: float = 0) -> float:
        """US dollars for one request, without the hours.

        Args:
            prompt_tokens: of the prompt, those from the cache among them.
            tokens: of the reply.
            cached: prompt tokens that came from the provider's cache.
        """
        band = self.bands[0]
        for higher in self.bands[1:]:
            band = higher if prompt_tokens > higher.over else band
        cached = min(cached, prompt_tokens)
        fresh = prompt_tokens - cached
        return self.request + (fresh * band.prompt + cached * band.cached + tokens * band.completion) / 1e6

    def of_reply(self, reply: Reply) -> float:
        """US dollars for a reply, as its server counted tokens."""
        return self.of(reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens)

    def batched(self) -> Tariff:
        """The same through the provider's batch API: half of everything but the hours."""
        bands = tuple(
            Band(b.over, b.prompt * BATCH_SHARE, b.completion * BATCH_SHARE, b.cached * BATCH_SHARE) for b in self.bands
        )
        return replace(self, bands=bands, request=self.request * BATCH_SHARE, origin=f"{self.origin}, half as a batch")

    def costs(self) -> bool:
        """Whether anything has a price."""
        return bool(self.hour or self.request or any(b.prompt or b.completion for b in self.bands))


def tariff_of(spec: TeacherSpec) -> Tariff:
    """What a recipe's teacher costs.

    `price` wins. A model in this process costs its hours alone, and so does a server with `usd_per_hour`.
    Other servers are looked up by address and model; of several, the dearest counts.
    """
    hour = spec.usd_per_hour
    if spec.price is not None:
        given = spec.price
        cached = given.input if given.cached is None else given.cached
        return Tariff((Band(0, given.input, given.output, cached),), hour=hour, origin="the recipe")
    if spec.kind() != "openai":
        return Tariff(hour=hour, origin="in this process")
    if hour:
        return Tariff(hour=hour, origin="by the hour")
    found = [_listed(url, spec.model) for url in spec.addresses()]
    known = [tariff for tariff in found if tariff is not None]
    if not known or len(known) < len(found):
        return Tariff(known=False, origin="unknown")
    return max(known, key=lambda t: t.of(1000, 1000))


def tariff_as_asked(spec: TeacherSpec) -> Tariff:
    """What a run of it costs: half where the recipe says `batch`. A pilot is always asked online, at `tariff_of`."""
    return tariff_of(spec).batched() if spec.batch else tariff_of(spec)


def must_be_known(spec: TeacherSpec, where: str) -> None:
    """Called where `budget.usd` is set: a cap on money means nothing where no price is known.

    Raises:
        UserError: neither the recipe nor the library says what the teacher costs.
    """
    if tariff_of(spec).known:
        return
    at = ", ".join(urlsplit(url).hostname or url for url in spec.addresses())
    raise UserError(
        f"budget.usd is set, but nobody says what {spec.model!r} at {at} costs",
        where=where,
        fix="teacher: {price: {input: …, output: …}} in US dollars per million tokens (0 and 0 for a server of "
        "your own), or usd_per_hour: …; budget.tokens and budget.hours need no price",
    )


def listed(name: str) -> Tariff:
    """What genai-prices says of `PROVIDER:MODEL`; its origin has the library's version and the newest date it names.

    Raises:
        UserError: the library knows no such provider or model, or no price of its tokens.
    """
    from importlib.metadata import version

    provider, _, model = name.partition(":")
    found = _of_list(model, provider, None)
    if found is None:
        fix = "PROVIDER:MODEL, such as openai:gpt-4; or {input: …, output: …} in US dollars per million tokens"
        raise UserError(f"genai-prices {version('genai-prices')} has no price for {name!r}", fix=fix)
    tariff, info = found
    dates = re.findall(r"20\d\d-\d\d-\d\d", str(info.price_comments or ""))
    checked = f", checked {max(dates)}" if dates else ""
    return replace(tariff, origin=f"{info.id}, genai-prices {version('genai-prices')}{checked}")


def _listed(url: str, model: str) -> Tariff | None:
    """What genai-prices says of a model at an address, None where it knows no such provider or model."""
    found = None if _nearby(url) else _of_list(model, None, url)
    return None if found is None else found[0]


def _of_list(model: str, provider_id: str | None, url: str | None) -> tuple[Tariff, Any] | None:
    """A model's tariff and what else the list says of it."""
    from genai_prices import data_snapshot

    try:
        provider, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider_id, url)
    except LookupError:
        return None
    prices = info.get_prices(datetime.now(UTC))
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    cached = prices.input_mtok if prices.cache_read_mtok is None else prices.cache_read_mtok
    three = (prices.input_mtok, prices.output_mtok, cached)
    steps = sorted({0, *(tier.start for price in three for tier in getattr(price, "tiers", ()))})
    bands = tuple(Band(over, *(_from(price, over) for price in three)) for over in steps)
    request = 0.0 if prices.requests_kcount is None else _from(prices.requests_kcount, 0) / 1000
    return Tariff(bands, request, origin=f"genai-prices: {info.id} at {provider.name}"), info


def _from(price: Any, over: int) -> float:
    """The price that holds just above `over` prompt tokens."""
    found = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if over >= tier.start:
            found = tier.price
    return float(found)


def _nearby(url: str) -> bool:
    """Whether a server is on this machine or in this network: no provider's list has it."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host
