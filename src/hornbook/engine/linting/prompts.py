"""Checks of prompts, a piece at a time, in bounded memory: 12 bytes a prompt, and one index of fixed size."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.engine.linting.findings import Finding, Level
from hornbook.kernels import minhash
from hornbook.kernels.sketches import SpaceSaving
from hornbook.kernels.words import Words, blocks, normalise, texts, words

EXAMPLES = 3
SLOTS = {
    "{{x}}": r"\{\{[^{}\n]{0,80}\}\}|\{%[^{}\n]{0,80}%\}",
    "${x}": r"\$\{[^{}\n]{0,80}\}",
    "{x}": r"(?:^|[\s(\[\"'“:;,.>-])\{[A-Za-z_][A-Za-z0-9_.]{0,40}\}",
}
"""Ways to write a variable. A single brace counts at the beginning of a word only: `\\frac{a}{b}` is none."""

_NOTHING = "None|NaN|nan|undefined|null"
MISSING = (
    rf"(?:\b(?:about|for|of|with|named|called|is|in|to|by|on|from)|[:=])\s+(?:{_NOTHING})\s*(?:[.,;:!?)\]\"”]|\n|$)"
)
"""The name of nothing where a value should stand: `about None.`, `Topic: nan`."""

DOUBTFUL = r"(?:^|[^\w])(?:NaN|nan|undefined|\[object Object\])(?:[^\w]|$)"
NEAR = 0.9
"""Jaccard similarity of word 5-grams from which two prompts are near-identical; what stands in more than
half of all prompts is left out of it. Our choice: stricter than what deduplication calls alike (0.72)."""
LIKELY = 0.8
"""Estimated similarity from which a pair is verified: three standard errors below NEAR."""
MEMORY = 65_536
"""Prompts against which the next one is held."""
VERIFIED = 1000
"""Pairs verified word for word; of more, the share among these is taken for all."""
FEWEST = 5
"""Shingles without which a prompt is too short to be near another."""
BEGINNING, BEGIN_SHARE, BEGIN_FEW = 16, 0.2, 20
"""Words that make a beginning, and the share of prompts and their number from which they are one too often."""
TOKENS_A_WORD, BYTES_A_TOKEN = 1.35, 4.0
"""Estimate of tokens: the greater of words × 1.35 (every Han or kana letter is a word here) and bytes / 4
(help.openai.com: 0.75 words or 4 characters of English a token)."""


@dataclass
class Hits:
    """How many prompts have a fault, and the first of them."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    said: dict[int, str] = field(default_factory=dict)

    def add(self, rows: Sequence[int], say: Callable[[int], str] | None = None) -> None:
        """Note rows, the first of which may become examples."""
        self.count += len(rows)
        for row in rows[: EXAMPLES - len(self.rows)]:
            self.rows.append(row)
            if say is not None:
                self.said[row] = say(row)


Asking = Callable[[Sequence[int]], dict[int, str]]
"""Row numbers → prompts, read again."""


def unfilled(text: str) -> str:
    """The first variable in a text that nobody filled; '' where there is none."""
    for pattern in (*SLOTS.values(), MISSING):
        if match := re.search(pattern, text, re.MULTILINE):
            return match.group().strip()
    return ""


class PromptChecks:
    """All checks of the prompts of one step. Give it every piece, then ask for what it found.

    Args:
        step: the step's name.
        total: how many prompts there are.
        context: longest prompt and reply together in tokens, 0 where unknown.
        reply: tokens of the longest reply.
    """

    def __init__(self, step: str, total: int, context: int, reply: int) -> None:
        self.step, self.total, self.context, self.reply = step, total, context, reply
        self.rows = self.asked = 0
        self.empty, self.missing, self.doubtful = Hits(), Hits(), Hits()
        self.slots = {name: Hits() for name in SLOTS}
        self.beginnings = SpaceSaving(512)
        self._hashes, self._tokens = array("Q"), array("I")
        self._earlier = minhash.Earlier(capacity=min(MEMORY, max(16, total)))
        self._common: NDArray[np.uint64] | None = None
        self._pairs: list[tuple[int, int]] = []
        self._near = 0

    def piece(self, prompts: list[str | None], frames: list[int], chosen: Sequence[bool]) -> None:
        """Look at a piece.

        Args:
            prompts: what the teacher is to read, without a system message; None where a row gives no request.
            frames: bytes of each row's system message.
            chosen: rows that the stage means to ask about; of the others none is expected.
        """
        first = self.rows
        self.rows += len(prompts)
        self.asked += sum(chosen)
        given = [text is not None and bool(text.strip()) for text in prompts]
        self.empty.add([first + at for at, mine in enumerate(chosen) if mine and not given[at]])
        column = pa.array([text or "" for text in prompts], pa.large_string())
        self._patterns(column, first)
        self._beginnings(column)
        self._hash(prompts, first)
        data, offsets = texts(column)
        for start, end in blocks(offsets):
            found = words(data, offsets[start : end + 1])
            sizes = np.diff(found.offsets) * TOKENS_A_WORD
            length = (np.diff(offsets[start : end + 1]) + np.array(frames[start:end])) / BYTES_A_TOKEN
            self._tokens.extend(np.ceil(np.maximum(sizes, length)).astype(np.uint32).tolist())
            self._similar(found, first + start)

    def _patterns(self, column: pa.LargeStringArray, first: int) -> None:
        """Slots that nobody filled, and names of nothing."""
        for name, pattern in SLOTS.items():
            if name != "{x}" or pc.any(pc.match_substring(column, "{")).as_py():
                self._matched(column, first, pattern, self.slots[name])
        sure = self._matched(column, first, MISSING, self.missing)
        self._matched(column, first, DOUBTFUL, self.doubtful, sure)

    def _matched(
        self, column: pa.LargeStringArray, first: int, pattern: str, hits: Hits, but: Sequence[int] = ()
    ) -> list[int]:
        """Note the rows that a pattern is found in, without some; gives them."""
        at = pc.indices_nonzero(pc.match_substring_regex(column, pattern)).to_pylist()
        at = [row for row in at if row not in set(but)] if but else at

        def say(row: int) -> str:
            match = re.search(pattern, column[row - first].as_py(), re.MULTILINE)
            return match.group().strip() if match else ""

        hits.add([first + row for row in at], say)
        return list(at)

    def _beginnings(self, column: pa.LargeStringArray) -> None:
        found = normalise(column, "words", most_words=BEGINNING, most_bytes=512)
        self.beginnings.add(text for text in found.to_pylist() if text.count(" ") >= BEGINNING - 1)

    def _hash(self, prompts: list[str | None], first: int) -> None:
        """The hashes of prompts; an empty one has its row number, so that it equals none."""
        from xxhash import xxh3_64_intdigest

        self._hashes.extend(
            xxh3_64_intdigest(text.encode()) if text and text.strip() else first + at for at, text in enumerate(prompts)
        )

    def _similar(self, found: Words, first: int) -> None:
        """Pairs whose signatures say that they are near; equal prompts are counted elsewhere."""
        hashes, offsets = minhash.shingles(found)
        if self._common is None and offsets.size > BEGIN_FEW:
            self._common = common(hashes, offsets)
        signs = minhash.signatures(*without(hashes, offsets, self._common))
        alike, which = self._earlier.see(signs)
        for at in np.flatnonzero(alike >= LIKELY).tolist():
            row, other = first + at, int(which[at])
            if self._hashes[row] != self._hashes[other]:
                self._near += 1
                if len(self._pairs) < VERIFIED:
                    self._pairs.append((other, row))

    def tokens(self) -> NDArray[np.uint32]:
        """Estimated tokens of every prompt."""
        return np.frombuffer(self._tokens, np.uint32) if self._tokens else np.zeros(0, np.uint32)

    def findings(
        self, names: Callable[[Sequence[int]], list[str]], read: Asking, counted: Mapping[int, int] | None = None
    ) -> list[Finding]:
        """All that was found.

        Args:
            names: rows → ids.
            read: rows → prompts.
            counted: rows → true tokens; those of all other rows are estimated in their proportion.
        """

        def finding(level: Level, check: str, what: str, hits: Hits, fix: str) -> Finding:
            ids = names(hits.rows)
            said = [f" “{hits.said[row]}”" if row in hits.said else "" for row in hits.rows]
            shown = [name + more for name, more in zip(ids, said, strict=True)]
            return Finding(level, self.step, check, what, hits.count, self.asked, tuple(shown), fix)

        plain: list[tuple[Level, str, str, Hits, str]] = [
            ("error", "empty", "empty prompts", self.empty, "see the step above; they would be dropped as `rejected`"),
            *(
                ("error", "unfilled", f"variables that nobody filled, written {name}", hits, _FILL)
                for name, hits in self.slots.items()
            ),
            ("error", "unfilled", "the name of nothing where a value should stand", self.missing, _FILL),
            ("warning", "unfilled", "words that name nothing, such as nan", self.doubtful, _FILL),
            self._twice(),
            self._nearly(read),
            *self._long(counted or {}),
        ]
        found = [finding(*one) for one in plain if one[3].count]
        return found + list(self._alike())

    def _twice(self) -> tuple[Level, str, str, Hits, str]:
        """Prompts that are equal to an earlier one, byte for byte."""
        hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else np.zeros(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        again = order[1:][hashes[order][1:] == hashes[order][:-1]]
        hits = Hits(int(again.size), np.sort(again)[:EXAMPLES].tolist())
        level: Level = "error" if again.size > 0.01 * max(1, self.asked) else "warning"
        fix = "equal prompts are one request and get one reply: draw more widely, or ask for fewer"
        return level, "duplicates", "prompts equal to an earlier one", hits, fix

    def _nearly(self, read: Asking) -> tuple[Level, str, str, Hits, str]:
        """Pairs verified word for word."""
        prompts = read(sorted({row for pair in self._pairs for row in pair}))
        hits = Hits()
        for other, row in self._pairs:
            alike = self._alike_in_words(prompts[other], prompts[row])
            if alike >= NEAR:
                hits.add([row], partial(_like, alike))
        if len(self._pairs) == VERIFIED < self._near:
            hits.count = round(self._near * hits.count / VERIFIED)
        fix = "let them differ in more than a few words: their replies will be alike"
        return "warning", "duplicates", f"prompts near-identical to one of the {MEMORY:,} before", hits, fix

    def _alike_in_words(self, one: str, two: str) -> float:
        found = words(*texts(pa.array([one, two], pa.large_string())))
        hashes, offsets = without(*minhash.shingles(found), self._common)
        return minhash.jaccard(hashes[: offsets[1]], hashes[offsets[1] :])

    def _long(self, counted: Mapping[int, int]) -> Iterator[tuple[Level, str, str, Hits, str]]:
        if not self.context:
            return
        tokens = self.tokens().astype(np.float64)
        if counted:
            longest = list(counted)
            tokens *= np.median([counted[row] / max(1.0, tokens[row]) for row in longest])
            tokens[longest] = [counted[row] for row in longest]
        alone = np.flatnonzero(tokens >= self.context)
        both = np.flatnonzero((tokens + self.reply > self.context) & (tokens < self.context))
        for rows, what, fix in (
            (
                alone,
                f"prompts longer than the context of {self.context:,} tokens",
                "shorten them, or raise the context",
            ),
            (
                both,
                f"prompts that leave no room for {self.reply:,} tokens of reply in a context of {self.context:,}",
                "shorten them, lower max_tokens, or raise the context",
            ),
        ):
            said = {int(row): f"about {tokens[row]:,.0f} tokens" for row in rows[:EXAMPLES]}
            yield "error", "length", what, Hits(int(rows.size), rows[:EXAMPLES].tolist(), said), fix

    def _alike(self) -> Iterator[Finding]:
        """Prompts that begin alike, over more words than an instruction's first sentence has."""
        for top in self.beginnings.top(1):
            least = top.count - top.error
            if least >= BEGIN_FEW and least > BEGIN_SHARE * self.asked:
                what = f"prompts that begin with the same {BEGINNING} words"
                fix = "begin with what differs, and put what is always said into `system:`; replies copy beginnings"
                yield Finding("warning", self.step, "beginnings", what, least, self.asked, (top.item[:120],), fix)


def _like(alike: float, _: int) -> str:
    return f"{alike:.0%} like another"


_FILL = "fill the variable where the prompt is built, or drop rows that lack the value"


def common(hashes: NDArray[np.uint64], offsets: NDArray[np.int64], share: float = 0.5) -> NDArray[np.uint64]:
    """Shingles that stand in more than a share of the texts: what a template says every time. Sorted."""
    rows = offsets.size - 1
    owner = np.repeat(np.arange(rows), np.diff(offsets))
    order = np.lexsort((owner, hashes))
    sorted_hashes, sorted_owner = hashes[order], owner[order]
    fresh = np.ones(hashes.size, bool)
    fresh[1:] = (sorted_hashes[1:] != sorted_hashes[:-1]) | (sorted_owner[1:] != sorted_owner[:-1])
    distinct, counts = np.unique(sorted_hashes[fresh], return_counts=True)
    return distinct[counts > share * rows]


def without(
    hashes: NDArray[np.uint64], offsets: NDArray[np.int64], left_out: NDArray[np.uint64] | None
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Shingles without those left out; a text that keeps fewer than FEWEST keeps none.

    Where nothing is left out, and where a text is short anyway, all of its shingles count.
    """
    if left_out is None or not left_out.size:
        return hashes, offsets
    at = np.minimum(np.searchsorted(left_out, hashes), left_out.size - 1)
    keep = left_out[at] != hashes
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
    many = sums[offsets[1:]] - sums[offsets[:-1]]
    keep &= np.repeat(many >= FEWEST, np.diff(offsets))
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
    return hashes[keep], sums[offsets]
