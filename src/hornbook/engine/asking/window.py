"""What may be sent next: requests that the journal does not answer, and retries whose time has come."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from hornbook.core.asking import Reply, Request
from hornbook.core.keys import digest
from hornbook.engine.asking.rows import reply_of
from hornbook.store.journal import Journal

FIRST_WAIT = 0.5
"""Seconds before the second try; each further wait is twice as long. openai-python begins at 0.5 s too."""
LONGEST_WAIT = 60.0
JITTER = 0.2
BITE = 256
"""Requests looked up at once where none needs asking: some 3 ms, in which nothing else goes on."""


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way.

    Args:
        key: its key.
        request: itself.
        body: its JSON, until its intent is written.
        attempt: 1 for the first try.
        reserved: US dollars and tokens set aside for it.
    """

    key: str
    request: Request
    body: bytes = b""
    attempt: int = 1
    reserved: tuple[float, int] = (0.0, 0)


class Unanswered:
    """The requests of a stream that the journal does not answer, each once, looked up some at a time.

    A request that never reached the teacher in an earlier execution cost nothing: it is asked again.

    Args:
        requests: the stream.
        reader: the journal.
        known: called with each request that needs no asking, and its reply where `replies` is set.
        replies: whether `known` wants the replies.
    """

    def __init__(
        self,
        requests: Iterator[Request],
        reader: Journal,
        known: Callable[[Reply | None], None],
        *,
        replies: bool = False,
    ) -> None:
        self._requests = requests
        self._reader = reader
        self._known = known
        self._replies = replies
        self._all_known = False
        self.more = True

    def take(self, most: int, open_: dict[str, Job]) -> list[Job]:
        """Look at `most` requests; those to be asked are put into `open_` and given back.

        Where the last were all answered, as in a run that goes on, more are looked at.
        """
        if self._all_known:
            most = max(most, BITE)
        some = [(digest(body := request.canonical()), request, body) for request in islice(self._requests, most)]
        if len(some) < most:
            self.more = False
        keys = list(dict.fromkeys(key for key, _, _ in some))
        found = self._reader.find(keys) if self._replies else {}
        settled = (
            {k for k, e in found.items() if e.error != "transport"} if self._replies else self._reader.settled(keys)
        )
        jobs = []
        for key, request, body in some:
            if key in settled:
                self._known(reply_of(key, found) if self._replies else None)
            elif key in open_:
                self._known(None)
            else:
                job = open_[key] = Job(key, request, body)
                jobs.append(job)
        self._all_known = not jobs
        return jobs


class Waiting:
    """Requests that may be sent now, and those that may be later. A retry that waits holds no slot.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.ready: deque[Job] = deque()
        self._late: list[tuple[float, int, Job]] = []
        self._number = 0
        self._clock = clock

    def __len__(self) -> int:
        return len(self.ready) + len(self._late)

    def later(self, job: Job, at_least: float = 0.0) -> None:
        """Try again after a wait that doubles with every try: exponential backoff with jitter."""
        wait = FIRST_WAIT * 2 ** (job.attempt - 1) * random.uniform(1 - JITTER, 1 + JITTER)
        job.attempt += 1
        self._number += 1
        due = self._clock() + max(at_least, min(LONGEST_WAIT, wait))
        heapq.heappush(self._late, (due, self._number, job))

    def next(self) -> Job | None:
        """The next to be sent: retries that are due go first."""
        if self._late and self._late[0][0] <= self._clock():
            return heapq.heappop(self._late)[2]
        return self.ready.popleft() if self.ready else None

    def due(self) -> float | None:
        """When the earliest retry is due, None for none."""
        return self._late[0][0] if self._late else None

    def clear(self) -> None:
        """Forget all."""
        self.ready.clear()
        self._late.clear()
