"""The budget: money, tokens and hours, reserved before a request is sent and settled when it is back."""

from __future__ import annotations

import time

from hornbook.core.errors import BudgetStop


class Governor:
    """Keeps a run under its budget.

    A request reserves its worst case; it is sent only if what is spent and reserved together stays
    under every cap, so the cap is never passed by more than an estimate was too low.

    Args:
        usd, tokens, hours: the caps; None for none.
        spent_usd, spent_tokens: what earlier executions of the run have spent.
    """

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        hours: float | None = None,
        *,
        spent_usd: float = 0.0,
        spent_tokens: int = 0,
    ) -> None:
        self.cap_usd, self.cap_tokens, self.cap_hours = usd, tokens, hours
        self.usd, self.tokens = spent_usd, spent_tokens
        self.reserved_usd, self.reserved_tokens = 0.0, 0
        self._began = time.monotonic()

    def reserve(self, usd: float, tokens: int) -> None:
        """Set aside the worst case of one request.

        Raises:
            BudgetStop: it does not fit; says which cap and the numbers.
        """
        hours = (time.monotonic() - self._began) / 3600
        self._check("usd", self.cap_usd, self.usd + self.reserved_usd + usd, self.usd)
        self._check("tokens", self.cap_tokens, self.tokens + self.reserved_tokens + tokens, self.tokens)
        self._check("hours", self.cap_hours, hours, hours)
        self.reserved_usd += usd
        self.reserved_tokens += tokens

    def settle(self, reserved: tuple[float, int], usd: float, tokens: int) -> None:
        """Replace a reservation by what was really spent."""
        self.reserved_usd -= reserved[0]
        self.reserved_tokens -= reserved[1]
        self.usd += usd
        self.tokens += tokens

    def pay(self, usd: float) -> None:
        """Count money that no single request costs: the time of the teacher's machine."""
        self.usd += usd

    @staticmethod
    def _check(name: str, cap: float | None, wanted: float, spent: float) -> None:
        if cap is not None and wanted > cap:
            raise BudgetStop(
                f"the budget of {cap:g} {name} is spent: {spent:.6g} used, the next request could need up to "
                f"{wanted - spent:.6g} with those in flight",
                where=f"budget.{name}",
                fix=f"--set budget.{name}={max(cap * 2, wanted):.6g} and run again: nothing is asked twice",
            )
