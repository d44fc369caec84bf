"""Checks of prompts, a piece at a time, in bounded memory: 12 bytes a prompt on disk, and one index of fixed size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.engine.linting.findings import Finding, Level
from hornbook.engine.linting.numbers import Numbers
from hornbook.kernels import minhash
from hornbook.kernels.literals import holding
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
HINTS = ("None", "NaN", "nan", "undefined", "null", "[object Object]")
"""What MISSING and DOUBTFUL find holds one of these."""
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
        self._hashes, self.tokens = Numbers("uint64"), Numbers("uint32")
        self._recent = np.zeros(2 * MEMORY, np.uint64)
        self._earlier = minhash.Earlier(capacity=min(MEMORY, max(16, total)))
        self._common: NDArray[np.uint64] | None = None
        self._pairs: list[tuple[int, int]] = []
        self._near = 0

    def piece(
        self,
        prompts: list[str | None],
        frames: list[int],
        chosen: Sequence[bool],
        quoted: Sequence[str | None] | None = None,
    ) -> None:
        """Look at a piece.

        Args:
            prompts: what the teacher is to read, without a system message; None where a row gives no request.
            frames: bytes of each row's system message.
            chosen: rows that the stage means to ask about; of the others none is expected.
            quoted: the document that each prompt is about, if any: what stands in it is not the prompt's fault.
        """
        first = self.rows
        self.rows += len(prompts)
        self.asked += sum(chosen)
        given = [text is not None and bool(text.strip()) for text in prompts]
        self.empty.add([first + at for at, mine in enumerate(chosen) if mine and not given[at]])
        column = pa.array([text or "" for text in prompts], pa.large_string())
        self._patterns(column, first, quoted or [None] * len(prompts))
        self._beginnings(column)
        self._hash(prompts, first)
        data, offsets = texts(column)
        for start, end in blocks(offsets):
            found = words(data, offsets[start : end + 1])
            sizes = np.diff(found.offsets) * TOKENS_A_WORD
            length = (np.diff(offsets[start : end + 1]) + np.array(frames[start:end])) / BYTES_A_TOKEN
            self.tokens.add(np.ceil(np.maximum(sizes, length)).astype(np.uint32))
            self._similar(found, first + start)

    def _patterns(self, column: pa.LargeStringArray, first: int, quoted: Sequence[str | None]) -> None:
        """Slots that nobody filled, and names of nothing, in the rows that hold a letter of one at all."""
        holds = holding(column, ("{", *HINTS))
        braces = np.flatnonzero(holds[:, 0])
        for name, pattern in SLOTS.items():
            self._matched(column, first, quoted, braces, pattern, self.slots[name])
        nothing = np.flatnonzero(holds[:, 1:].any(axis=1))
        sure = self._matched(column, first, quoted, nothing, MISSING, self.missing)
        self._matched(column, first, quoted, np.setdiff1d(nothing, sure), DOUBTFUL, self.doubtful)

    def _matched(
        self,
        column: pa.LargeStringArray,
        first: int,
        quoted: Sequence[str | None],
        rows: NDArray[np.int64],
        pattern: str,
        hits: Hits,
    ) -> list[int]:
        """Note the rows, among some, that a pattern is found in outside what they quote; gives them."""
        found = pc.match_substring_regex(column.take(pa.array(rows)), pattern).to_numpy(zero_copy_only=False)

        def say(row: int) -> str:
            text, own = column[row].as_py(), quoted[row] or ""
            matches = (match.group().strip() for match in re.finditer(pattern, text, re.MULTILINE))
            return next((said for said in matches if said not in own), "")

        said = {row: slot for row in rows[found.astype(bool)].tolist() if (slot := say(row))}
        hits.add([first + row for row in said], lambda row: said[row - first])
        return list(said)

    def _beginnings(self, column: pa.LargeStringArray) -> None:
        found = normalise(column, "words", most_words=BEGINNING, most_bytes=512)
        self.beginnings.add(text for text in found.to_pylist() if text.count(" ") >= BEGINNING - 1)

    def _hash(self, prompts: list[str | None], first: int) -> None:
        """The hashes of prompts; an empty one has its row number, so that it equals none."""
        from xxhash import xxh3_64_intdigest

        hashes = np.array(
            [
                xxh3_64_intdigest(text.encode()) if text and text.strip() else first + at
                for at, text in enumerate(prompts)
            ],
            np.uint64,
        )
        self._hashes.add(hashes)
        self._recent[np.arange(first, first + hashes.size) % self._recent.size] = hashes

    def _similar(self, found: Words, first: int) -> None:
        """Pairs whose signatures say that they are near; equal prompts are counted elsewhere."""
        hashes, offsets = minhash.shingles(found)
        if self._common is None and offsets.size > BEGIN_FEW:
            self._common = common(hashes, offsets)
        signs = minhash.signatures(*without(hashes, offsets, self._common))
        alike, which = self._earlier.see(signs)
        for at in np.flatnonzero(alike >= LIKELY).tolist():
            row, other = first + at, int(which[at])
            if self._recent[row % self._recent.size] != self._recent[other % self._recent.size]:
                self._near += 1
                if len(self._pairs) < VERIFIED:
                    self._pairs.append((other, row))

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
        hits = Hits(*self._hashes.again(EXAMPLES))
        level: Level = "error" if hits.count > 0.01 * max(1, self.asked) else "warning"
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
        alone, both, factor = Hits(), Hits(), 1.0
        if counted:
            known = self.tokens.at(list(counted))
            factor = float(
                np.median([true / max(1.0, float(n)) for true, n in zip(counted.values(), known, strict=True)])
            )
        for first, some in self.tokens.blocks():
            tokens = some.astype(np.float64) * factor
            for row in (row for row in counted if first <= row < first + tokens.size):
                tokens[row - first] = counted[row]
            said = partial(_tokens_said, tokens, first)
            over = tokens >= self.context
            alone.add((first + np.flatnonzero(over)).tolist(), said)
            both.add((first + np.flatnonzero(~over & (tokens + self.reply > self.context))).tolist(), said)
        yield (
            "error",
            "length",
            f"prompts longer than the context of {self.context:,} tokens",
            alone,
            "shorten them, or raise the context",
        )
        yield (
            "error",
            "length",
            f"prompts that leave no room for {self.reply:,} tokens of reply in a context of {self.context:,}",
            both,
            "shorten them, lower max_tokens, or raise the context",
        )

    def _alike(self) -> Iterator[Finding]:
        """Prompts that begin alike, over more words than an instruction's first sentence has."""
        for top in self.beginnings.top(1):
            least = top.count - top.error
            if least >= BEGIN_FEW and least > BEGIN_SHARE * self.asked:
                what = f"prompts that begin with the same {BEGINNING} words"
                fix = "begin with what differs, and put what is always said into `system:`; replies copy beginnings"
                yield Finding("warning", self.step, "beginnings", what, least, self.asked, (top.item[:120],), fix)


def _tokens_said(tokens: NDArray[np.float64], first: int, row: int) -> str:
    return f"about {tokens[row - first]:,.0f} tokens"


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
