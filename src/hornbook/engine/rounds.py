"""What the requests of some rows will take, all those that follow from their first ones too: usually, and at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hornbook.core.asking import Ahead
from hornbook.engine.worst import FORM, tokens_of
from hornbook.teachers.prices import Tariff

CHARACTERS_A_TOKEN = 4.0
"""English prose; OpenAI's rule of thumb (help.openai.com, "What are tokens and how to count them?")."""
FIRST = "reply"
"""What a row's first request is called among those that follow."""


@dataclass
class Load:
    """Requests and what they take.

    Args:
        requests, prompt_tokens, tokens, usd: sums.
        sorts: requests by what they are for.
    """

    requests: float = 0.0
    prompt_tokens: float = 0.0
    tokens: float = 0.0
    usd: float = 0.0
    sorts: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, float]:
        """For people and JSON."""
        numbers = {name: round(getattr(self, name)) for name in ("requests", "prompt_tokens", "tokens")}
        return numbers | {"usd": self.usd}


def load_of(
    ahead: Sequence[Ahead], open_: Mapping[int, float], each: tuple[float, float], price: Tariff, *, most: bool = False
) -> Load:
    """What is left to ask of some rows.

    Args:
        ahead: what may follow a row's first request.
        open_: requests of a row that were answered → how many rows of which so many were, and which are not done.
        each: tokens of a row's own prompt and of its first reply.
        price: of the teacher.
        most: the most it can be: every request comes, and its own words are as many tokens as they can be.
    """
    prompt, reply = each
    found = Load()
    for at, one in enumerate((Ahead(FIRST), *ahead)):
        likely = 1.0 if most else one.likely
        rows = likely * sum(many for known, many in open_.items() if known <= at)
        own = tokens_of(one.words) + (FORM if at else 0) if most else len(one.words) / CHARACTERS_A_TOKEN
        _add(found, one, rows, (one.prompts * prompt + one.replies * reply + one.shown + own, reply), price)
    late = sum(many for known, many in open_.items() if known > len(ahead))
    if late and ahead:
        _add(found, ahead[-1], late, (prompt + ahead[-1].replies * reply + ahead[-1].shown, reply), price)
    return found


def _add(found: Load, one: Ahead, rows: float, each: tuple[float, float], price: Tariff) -> None:
    prompt, reply = each
    tokens = reply if one.tokens is None else float(one.tokens)
    if not rows:
        return
    found.requests += rows
    found.prompt_tokens += rows * prompt
    found.tokens += rows * tokens
    found.usd += rows * price.of(prompt, tokens)
    found.sorts[one.name] += round(rows)
