"""Requests that follow from replies (`Ask.again`): each row at its own pace, replayed exactly from the journal.

What to ask next is a pure function of the row, of what was asked for it and of what came back, so nothing of
a chain needs keeping but its requests and replies, and those are in the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from hornbook.core.asking import Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Ask

LONGEST = 1000
"""Requests for one row; a stage that asks for more will not end."""

Look = Callable[[Sequence[str]], Mapping[str, Reply]]
"""Keys → the journal's replies and tombstones, read; keys without either are left out."""


@dataclass(slots=True)
class Chain:
    """One row: what was asked for it and what came back; `asked` is ahead by one while a reply is awaited."""

    row: Mapping[str, Any]
    asked: list[Request]
    replies: list[Reply] = field(default_factory=list)

    def went_on(self, stage: Ask, params: Mapping[str, Any], reply: Reply) -> bool:
        """Take the reply to the last request; whether there is another request now.

        Raises:
            HornbookError: the stage asks for ever, or the same thing twice.
        """
        self.replies.append(reply)
        if reply.error == "transport":
            return False
        found = stage.again(self.row, self.asked, self.replies)
        if found is None:
            return False
        found = replace(found, params={**params, **found.params})
        if len(self.asked) >= LONGEST or found in self.asked:
            many = f"over {LONGEST:,} requests for one row" if len(self.asked) >= LONGEST else "the same thing twice"
            raise HornbookError(f"{type(stage).__name__}.again asks {many}", fix="it must come to an end")
        self.asked.append(found)
        return True

    def last(self) -> Reply:
        """The last reply, the earlier ones in its `before`."""
        return replace(self.replies[-1], before=tuple(self.replies[:-1]))


class Chains:
    """The rows that wait for a reply while a teacher is asked. For one thread.

    Several rows may wait for one request; it is asked once. Use: `begin` for a row's first request, then
    `after` for every reply and tombstone, fresh or from the journal.

    Args:
        stage: what says how to go on.
        params: the teacher's sampling parameters.
        look: asks the journal.
        ended: called with a row's first request, the very one that `begin` was given, and the last reply of it,
            the earlier ones in its `before`, when the row is done.
    """

    def __init__(
        self,
        stage: Ask,
        params: Mapping[str, Any],
        look: Look,
        ended: Callable[[Request, Reply], None] | None = None,
    ) -> None:
        self._stage, self._params, self._look, self._ended = stage, params, look, ended
        self._waiting: dict[str, list[Chain]] = {}

    def begin(self, request: Request, row: Mapping[str, Any]) -> None:
        """A row waits for its first request."""
        self._waiting.setdefault(request.key(), []).append(Chain(row, [request]))

    def after(self, reply: Reply) -> list[tuple[str, Request]]:
        """(key, request) of what must be asked now; nothing that is asked already or that the journal has."""
        found: list[tuple[str, Request]] = []
        replies = [reply]
        while replies:
            reply = replies.pop()
            for chain in self._waiting.pop(reply.key, ()):
                if not chain.went_on(self._stage, self._params, reply):
                    if self._ended is not None:
                        self._ended(chain.asked[0], chain.last())
                    continue
                request = chain.asked[-1]
                key = request.key()
                waiting = self._waiting.setdefault(key, [])
                waiting.append(chain)
                if len(waiting) == 1:
                    known = self._look([key]).get(key)
                    if known is None or known.error == "transport":
                        found.append((key, request))
                    else:
                        replies.append(known)
        return found


def chained(stage: Ask) -> bool:
    """Whether a stage asks in rounds."""
    return stage.in_rounds()


def rounds_of(stage: Ask) -> dict[str, int] | None:
    """What may follow a row's first request: what it is for → how often; None for a stage that asks once."""
    return dict(Counter(one.name for one in stage.ahead() or ())) if stage.in_rounds() else None


def rows_of(piece: pa.Table) -> list[dict[str, Any]]:
    """A piece's rows, as `again` sees them."""
    rows: list[dict[str, Any]] = piece.to_pylist()
    return rows


def follow(
    stage: Ask, rows: Iterable[tuple[Mapping[str, Any], Request]], params: Mapping[str, Any], look: Look
) -> tuple[list[Reply | None], list[str]]:
    """Walk the chains of some rows through the journal.

    Returns:
        for each row its last reply with the earlier ones in `before`, None where the journal lacks one; and
        the keys of the requests it lacks, or holds a `transport` tombstone for.
    """
    walks = walked(stage, rows, params, look)
    ended = [walk.last() if len(walk.asked) == len(walk.replies) else None for walk in walks]
    return ended, [lacking for walk in walks if (lacking := lacking_of(walk)) is not None]


def walked(
    stage: Ask, rows: Iterable[tuple[Mapping[str, Any], Request]], params: Mapping[str, Any], look: Look
) -> list[Chain]:
    """The chains of some rows as far as the journal goes, a round of look-ups for all of them at a time."""
    chains = [Chain(row, [request]) for row, request in rows]
    open_ = chains
    while open_:
        keys = [chain.asked[-1].key() for chain in open_]
        known = look(list(dict.fromkeys(keys)))
        found = [(chain, known[key]) for chain, key in zip(open_, keys, strict=True) if key in known]
        open_ = [chain for chain, reply in found if chain.went_on(stage, params, reply)]
    return chains


def lacking_of(chain: Chain) -> str | None:
    """The key of the request that a walk through the journal ended at for want of a reply; None for a whole chain."""
    if len(chain.asked) > len(chain.replies) or chain.replies[-1].error == "transport":
        return chain.asked[-1].key()
    return None


def outcome(stage: Ask, reply: Reply) -> Reply:
    """What a whole chain came to, as one reply: the text that counts, or the last reply's error."""
    text = stage.outcome(reply)
    if text is not None:
        return replace(reply, text=text, error=None, detail="")
    return reply if reply.error is not None else replace(reply, error="rejected", detail="of no use to the stage")
