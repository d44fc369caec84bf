"""What a comparison of teachers found: for each its numbers, and the differences over the same prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hornbook.core.diversity import Collapse
from hornbook.core.documents import ID, TEXT
from hornbook.core.stage import Artifact
from hornbook.kernels.intervals import bootstrapped, clustered, wilson
from hornbook.lab.contenders import Contender
from hornbook.lab.teachers import Branches, Outcome
from hornbook.store.journal import Journal
from hornbook.store.parts import pieces, schema_of
from hornbook.teachers.prices import Tariff, tariff_as_asked

ALIKE = 0.7
"""Estimated Jaccard similarity of word 5-grams from which a reply repeats an earlier one, as while asking."""
ENOUGH = 16
"""Replies before anybody is said to have collapsed, as while asking."""
UNSURE = 0.2
"""κ below which a judge is said not to agree with itself: "slight" (Landis and Koch, Biometrics 1977)."""
_COUNTS = ("generate.prompt_tokens", "generate.tokens", "generate.error", "generate.request")
Values = dict[str, float]


@dataclass(slots=True)
class Side:
    """One teacher's numbers; None where a thing was not measured.

    Args:
        name, model: of the teacher.
        failed: why its branch ended early, '' where it did not.
        prompts: prompts it was to answer.
        replies: replies of use.
        errors: why prompts have none → how many.
        accepted: replies that passed all filters; share of the prompts, with its interval.
        tokens, prompt_tokens: of all replies; `accepted_tokens` of the accepted ones.
        usd: what asking all prompts from nothing costs, at the teacher's prices; None where they are unknown.
        usd_per_million: for a million accepted tokens.
        seconds: mean time of a request.
        words: mean words of a reply.
        opening: the most common three-word opening, and its share.
        distinct_2: different pairs of words / all.
        repeats: share of replies that are like an earlier one.
        collapsed: what says that its replies are too much alike, '' where they are not.
        judged: criterion → mean, interval, agreement.
        hallucination: mean of the check's score, and its name.
        by_prompt: measure → prompt's id → value, for differences.
    """

    name: str
    model: str
    failed: str = ""
    prompts: int = 0
    replies: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    accepted_share: float | None = None
    accepted_interval: tuple[float, float] | None = None
    tokens: int = 0
    prompt_tokens: int = 0
    accepted_tokens: int = 0
    usd: float | None = None
    usd_per_million: float | None = None
    seconds: float | None = None
    words: float | None = None
    opening: tuple[str, float] | None = None
    distinct_2: float | None = None
    repeats: float | None = None
    collapsed: str = ""
    judged: dict[str, Any] = field(default_factory=dict)
    hallucination: dict[str, Any] | None = None
    by_prompt: dict[str, Values] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a teacher has more of something than the first one, over the prompts that both have."""

    measure: str
    teacher: str
    against: str
    prompts: int
    mean: float
    interval: tuple[float, float] | None


def sides_of(branches: Branches, outcome: Outcome, found: Sequence[Contender], journal: Path) -> list[Side]:
    """Every teacher's numbers, in order."""
    prompts = int(outcome.done[branches.drawn].manifest["kept"])
    reader = Journal(journal)
    try:
        return [_side(branches, outcome, one, prompts, reader) for one in found]
    finally:
        reader.close()


def differences(sides: Sequence[Side]) -> list[Difference]:
    """Each teacher against the first one that has replies: means of paired differences, with bootstrap intervals."""
    have = [side for side in sides if side.by_prompt]
    found = []
    for measure in have[0].by_prompt if have else ():
        for side in have[1:]:
            one, other = have[0].by_prompt[measure], side.by_prompt.get(measure, {})
            both = [name for name in one if name in other]
            if both:
                gaps = np.array([other[name] - one[name] for name in both])
                found.append(
                    Difference(measure, side.name, have[0].name, len(both), float(gaps.mean()), bootstrapped(gaps))
                )
    return found


def warnings(sides: Sequence[Side], pairs: Mapping[str, Any], judge: str) -> list[str]:
    """What a person must know before believing the table."""
    says = [f"{side.name} has collapsed: {side.collapsed}" for side in sides if side.collapsed]
    says += [f"{side.name} was given up: {side.failed}" for side in sides if side.failed]
    says += [
        f"{side.name}: no price is known; price: {{input: …, output: …}} in its mapping"
        for side in sides
        if side.usd is None and side.prompts
    ]
    if judge:
        same = [side.name for side in sides if side.model == judge]
        if same:
            says.append(f"the judge is one of those compared ({', '.join(same)}): models favour their own texts")
        agreed = [one["agreement"] for side in sides for one in side.judged.values()]
        kappas = [one["kappa_quadratic"] for one in agreed if not isinstance(one, str)]
        known = [kappa for kappa in kappas if kappa is not None]
        if kappas and not known:
            says.append("the judge says one and the same of every text: its scores mean nothing")
        elif known and sum(known) / len(known) < UNSURE:
            mean = sum(known) / len(known)
            says.append(f"the judge does not agree with itself (mean κ {mean:.2f}): its scores mean nothing")
        bias = [one["position_bias"] for one in pairs.values() if one.get("position_bias") is not None]
        if bias and max(bias) > 0.5:
            says.append(f"the judge follows the place of a text in {max(bias):.0%} of pairs: its verdicts mean nothing")
    return says


def _side(branches: Branches, outcome: Outcome, one: Contender, prompts: int, journal: Journal) -> Side:
    """A teacher's numbers."""
    done, asks = outcome.done, branches.asks[one.name]
    own = [name for name in outcome.failed if name.endswith(f"@{one.name}")]
    side = Side(one.name, one.spec.model, failed="; ".join(f"{name}: {outcome.failed[name]}" for name in own))
    if asks not in done:
        return side
    side.model = str(done[asks].manifest["facts"].get("model") or one.spec.model)
    side.prompts, side.replies = prompts, int(done[asks].manifest["kept"])
    side.errors = dict(done[asks].manifest["reasons"])
    rows = [row for which in ("parts", "drops") for row in _rows(done[asks], (ID, TEXT, *_COUNTS), which)]
    good = list(_rows(done[asks], (ID, TEXT, *_COUNTS)))
    end = done.get(branches.ends[one.name])
    if end is not None:
        _accepted(side, rows, good, {str(row[ID]) for row in _rows(end, (ID,))})
    _cost(
        side,
        rows,
        tariff_as_asked(one.spec),
        journal,
        one.spec.slots if one.spec.kind() == "local" else one.spec.concurrency,
    )
    _sameness(side, [str(row[ID]) for row in good], [str(row[TEXT] or "") for row in good])
    _judged(side, done.get(branches.judges.get(one.name, "")))
    _checked(side, done.get(branches.checks.get(one.name, "")))
    return side


def _accepted(side: Side, rows: list[dict[str, Any]], good: list[dict[str, Any]], kept: set[str]) -> None:
    """What passed the filters. A prompt without a reply is one without an accepted reply."""
    side.accepted = sum(str(row[ID]) in kept for row in good)
    if side.prompts:
        side.accepted_share = side.accepted / side.prompts
        side.accepted_interval = wilson(side.accepted_share, side.prompts)
    side.accepted_tokens = sum(row.get("generate.tokens") or 0 for row in good if str(row[ID]) in kept)
    side.by_prompt["accepted"] = {str(row[ID]): float(str(row[ID]) in kept) for row in rows}


def _cost(side: Side, rows: list[dict[str, Any]], price: Tariff, journal: Journal, at_once: int) -> None:
    """Money and time, as if all had been asked now: what the journal answered cost as much once."""
    side.tokens = sum(row.get("generate.tokens") or 0 for row in rows)
    side.prompt_tokens = sum(row.get("generate.prompt_tokens") or 0 for row in rows)
    keys = [row["generate.request"] for row in rows if row.get("generate.request")]
    entries = journal.find(keys)
    times = [entries[key].raw.seconds for key in keys if key in entries and entries[key].raw is not None]  # type: ignore[union-attr]
    side.seconds = sum(times) / len(times) if times else None
    if not price.known:
        return
    each = [price.of(row.get("generate.prompt_tokens") or 0, row.get("generate.tokens") or 0) for row in rows]
    side.usd = sum(each) + price.hour * sum(times) / 3600 / max(1, min(at_once, len(times)))
    side.usd_per_million = side.usd / side.accepted_tokens * 1e6 if side.accepted_tokens else None


def _sameness(side: Side, names: list[str], texts: list[str]) -> None:
    """How much the replies are alike."""
    from hornbook.kernels.glance import Recent, glance

    if not texts:
        return
    openings: Counter[str] = Counter()
    pairs: list[Any] = []
    repeats, words, recent = 0, [], Recent()
    for at in range(0, len(texts), 256):
        read = glance(texts[at : at + 256])
        openings.update(read.openings)
        pairs.append(read.runs(2)[0])
        repeats += sum(alike >= ALIKE for alike in recent.see(read))
        words += np.diff(read.offsets).tolist()
    every = np.concatenate(pairs)
    top, many = min(openings.items(), key=lambda pair: (-pair[1], pair[0]))
    side.opening = top, many / len(texts)
    side.distinct_2 = np.unique(every).size / every.size if every.size else None
    side.repeats = repeats / len(texts)
    side.words = sum(words) / len(words)
    side.by_prompt["words"] = dict(zip(names, map(float, words), strict=True))
    limits = Collapse()
    if len(texts) >= ENOUGH:
        said = [f"{side.opening[1]:.0%} of its replies begin “{top}”"] if side.opening[1] > limits.top_opening else []
        said += [f"{side.repeats:.0%} are like an earlier one"] if side.repeats > limits.repeats else []
        side.collapsed = ", ".join(said)


def _judged(side: Side, judge: Artifact | None) -> None:
    """What the judge says of all its replies, accepted or not."""
    if judge is None:
        return
    side.judged = dict(judge.manifest["facts"]["judged"])
    for criterion in side.judged:
        mark = f"judge.judge.{criterion}"
        rows = _rows(judge, (ID, mark))
        side.by_prompt[f"judge: {criterion}"] = {
            str(row[ID]): float(row[mark]) for row in rows if row.get(mark) is not None
        }


def _checked(side: Side, check: Artifact | None) -> None:
    """The mean of the first score that the check gives."""
    if check is None or not check.manifest["parts"]:
        return
    schema = schema_of(check.folder / check.manifest["parts"][0]["file"])
    marks = [f.name for f in schema if f.name.startswith("selfcheck.") and pa.types.is_floating(f.type)]
    marks.sort(key=lambda name: name != "selfcheck.similarity")  # the one between 0 and 1, of those that ask no more
    if not marks:
        return
    values = {str(row[ID]): float(row[marks[0]]) for row in _rows(check, (ID, marks[0])) if row[marks[0]] is not None}
    mean, interval, _ = clustered({name: (1, value) for name, value in values.items()})
    side.hallucination = {"mark": marks[0], "mean": mean, "interval": interval, "documents": len(values)}
    side.by_prompt["hallucination"] = values


def _rows(artifact: Artifact, columns: Sequence[str], which: str = "parts") -> Iterator[dict[str, Any]]:
    """Rows of a step with those of the columns that there are."""
    base = artifact.folder if which == "parts" else artifact.folder / "dropped"
    for part in artifact.manifest[which]:
        path = base / part["file"]
        names = schema_of(path).names
        for piece in pieces(path, [name for name in columns if name in names]):
            yield from piece.to_pylist()
