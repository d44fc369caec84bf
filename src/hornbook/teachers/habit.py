"""Whether a server refuses for what it is asked, or whatever it is asked.

A limit refuses nothing far below the level at which everything was let in before. A server that does is having bad
days: slowing down at each refusal would end at a request a minute and be refused as often as before.
"""

from __future__ import annotations

VAIN = 0.7
"""Share of the best level that is far enough below it. Our choice, from simulations of buckets that hold three
seconds' worth (which look three times as fast for a while)."""
ENOUGH = 20
"""Requests by which the share of refusals is measured there …"""
MOST = 0.3
"""… and the most that it can be: more is a limit that has fallen, and is still being looked for."""
SHARES, ODD = 100, 0.03
"""Over some SHARES requests, twice the usual share and ODD more is too much: then it was a limit after all."""


class Habit:
    """The share of requests that a server refuses whatever the level (a rate, or requests in flight) is."""

    def __init__(self) -> None:
        self.usual = 0.0
        """0 where none is known."""
        self.best = 0.0
        """The highest level at which requests were let in."""
        self._share = 0.0
        self._sent = self._refused = 0

    def sent(self) -> None:
        """A request is sent."""
        self._share -= self._share / SHARES
        self._sent += 1

    def tells_nothing(self, level: float, reached: float) -> bool:
        """A request was refused; whether that is as usual, so that the level may stay.

        Args:
            level: the limit that the client keeps to.
            reached: what was let in lately, in the same unit; 0 where that is not known.
        """
        self._share += 1 / SHARES
        if self.usual:
            if self._share <= 2 * self.usual + ODD:
                return True
            self.usual = self.best = 0.0
        self.best = max(self.best, reached)
        if level > VAIN * self.best:
            self._sent = self._refused = 0
            return False
        self._refused += 1
        if self._sent < ENOUGH:
            return False
        found = self._refused / self._sent
        self._sent = self._refused = 0
        if found > MOST:
            return False
        self.usual = self._share = found
        return True
