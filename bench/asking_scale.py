"""Memory, speed and resume against the number of prompts.

Compared is the peak memory of the whole process tree at the largest number of prompts. Each client asks
10^4, 10^5 (and with `--full` 10^6) prompts of a server that takes no time, once, and is then started again on what it
has finished: a resume, which should ask nothing. One that does not end within the time is left out of larger numbers.
"""

from __future__ import annotations

import time

from bench.asking.clients import CLIENTS, PEERS, SETTINGS, Work, ask, contender, place, scratch_in, write_prompts
from bench.asking_overhead import versions
from bench.harness import LEAST_SECONDS, Contender, Facts, Failed, Options, Outcome, Score, take_turns

__all__ = ["PEERS", "UNIT", "run"]

UNIT = "MB"
QUICK_SECONDS = 54.0
CONCURRENCY = 64
COLUMNS = {"rate": "requests/s", "wall": "wall s", "resume_s": "resume s", "resume_asked": "asked again"}
SECONDS = {2_000: 60.0, 10_000: 120.0, 100_000: 600.0, 1_000_000: 3600.0}
"""Longest a client may take for so many prompts."""


def run(options: Options) -> Outcome:
    """Every client at every size, smallest first; one turn each, for its length makes it steady."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    sizes = [2_000] if options.quick else [10_000, 100_000, *([1_000_000] if options.full else [])]
    found: list[Score] = []
    detail: Facts = {"concurrency": CONCURRENCY}
    out: dict[str, str] = {}
    with scratch_in(options.cache) as scratch:
        for count in sizes:
            work = Work(write_prompts(scratch / f"{count}.jsonl", count), count, CONCURRENCY, scratch)
            options.tell(f"{count:,} prompts, {CONCURRENCY} in flight")
            turns = [_contender(name, work, options, out.get(name)) for name in CLIENTS]
            found = take_turns(turns, options.rounds or 1, options.tell, until)
            out = {s.name: s.trouble for s in found if s.trouble}
            detail[f"at {count}"] = {
                s.name: {"peak_mb": s.median(), **{c: s.median(c) for c in COLUMNS}} if s.turns else s.trouble
                for s in found
            }
            if options.quick:  # peers take too long for more; how ours grows can be seen in the time
                alone = Work(write_prompts(scratch / "alone.jsonl", 10_000), 10_000, CONCURRENCY, scratch)
                scores = take_turns([_contender("hornbook", alone, options, None)], 1, options.tell, until)
                detail["ours alone at 10000"] = scores[0].turns or scores[0].trouble
    detail["prompts"] = sizes[-1]
    detail["growth"] = _growth(detail, sizes)
    return Outcome(found, UNIT, False, versions(), COLUMNS, detail)


def _contender(name: str, work: Work, options: Options, trouble: str | None) -> Contender:
    """Asks, then is started again on what it has finished."""
    plain = contender(name, work, options.cache)
    setting = SETTINGS.get(name, ({},))[0]

    def act(left: float) -> Facts:
        limit = min(left, SECONDS[work.count])
        with place(work, limit) as here:
            first = ask(name, work, options.cache, setting, here)
            facts: Facts = {"value": first["peak_mb"], "rate": first["value"], "wall": first["wall"]}
            if plain.role in ("limit", "shown"):
                return facts
            here.again, here.limit = True, limit - first["wall"]
            try:
                if here.limit < LEAST_SECONDS:
                    raise Failed("no time was left to resume")
                again = ask(name, work, options.cache, setting, here)
            except Failed as error:
                return facts | {"resume_trouble": str(error)}
        return facts | {"resume_s": again["wall"], "resume_asked": again["asked"]}

    return Contender(name, plain.role, act, plain.missing or trouble)


def _growth(detail: Facts, sizes: list[int]) -> dict[str, float]:
    """Peak memory at the largest size over that at the smallest, of those that did both."""
    least, most = detail[f"at {sizes[0]}"], detail[f"at {sizes[-1]}"]
    both = [name for name in CLIENTS if isinstance(least[name], dict) and isinstance(most[name], dict)]
    return {name: round(most[name]["peak_mb"] / least[name]["peak_mb"], 3) for name in both}
