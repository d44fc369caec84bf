"""What the manifests above say, put together: the funnel, what it took, and a few plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from hornbook.core.stage import Artifact
from hornbook.stages.report._gather import Corpus, Groups
from hornbook.stages.report._show import label, number, plural, seconds, share, usd

TELLTALE = 0.10
"""Share of documents with one opening above which it is flagged; our own choice. For comparison, 59 % of
TinyStories contain "Once upon a time" (SimpleStories, arXiv:2504.09184)."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one step took; None where it does not say."""

    step: str
    seconds: float
    rows_a_second: float | None
    tokens: int | None
    tokens_a_second: float | None
    usd: float | None
    cached: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What all steps took together."""

    begun: int
    left: int
    seconds: float
    tokens: int
    prompt_tokens: int
    usd: float
    asked: int
    cached: int


def funnel(above: Sequence[Artifact]) -> list[Artifact]:
    """The steps that documents flow through."""
    return [a for a in above if a.makes == "documents"]


def begun(above: Sequence[Artifact]) -> int:
    """Records that came in: those of all sources that do not merely feed another source."""
    sources = [a for a in above if a.manifest.get("kind") == "source"]
    fed = {given for a in sources for given in a.manifest.get("inputs", [])}
    last = [a for a in sources if a.manifest.get("output") not in fed]
    return sum(int(a.manifest["rows_in"]) for a in last)


def took(artifact: Artifact) -> Took:
    """What a step took, from its manifest."""
    manifest, facts = artifact.manifest, artifact.manifest.get("facts", {})
    spent = float(manifest.get("seconds", 0.0))
    rows = int(manifest.get("rows_in", 0))
    asks = manifest.get("kind") == "ask"
    tokens = facts.get("tokens", facts.get("tokens_seen"))
    return Took(
        artifact.step,
        spent,
        rows / spent if spent >= 0.001 and artifact.makes == "documents" else None,
        int(tokens) if _is_number(tokens) else None,
        float(facts["tokens_per_second"]) if _is_number(facts.get("tokens_per_second")) else None,
        float(facts.get("usd", 0.0)) if asks else None,
        int(facts.get("cached", 0)) if asks else None,
    )


def totals(above: Sequence[Artifact], left: int) -> Totals:
    """What all steps took together."""
    asked = [a.manifest.get("facts", {}) for a in above if a.manifest.get("kind") == "ask"]
    sums = {name: sum(f.get(name, 0) for f in asked) for name in ("tokens", "prompt_tokens", "usd", "asked", "cached")}
    spent = sum(float(a.manifest.get("seconds", 0.0)) for a in above)
    return Totals(begun(above), left, spent, **sums)


def when(above: Sequence[Artifact]) -> tuple[str, str]:
    """When the first and the last step were finished, in UTC; empty where that is not known."""
    files = [a.folder / "manifest.json" for a in above]
    times = sorted(file.stat().st_mtime for file in files if file.is_file())
    said = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (times[:1] + times[-1:])]
    return (said[0], said[1]) if said else ("", "")


def reasons(above: Sequence[Artifact]) -> list[tuple[Artifact, str, int]]:
    """Every reason for which documents were dropped, step by step."""
    return [(a, name, int(many)) for a in funnel(above) for name, many in a.manifest.get("reasons", {}).items()]


def against(artifact: Artifact) -> list[str]:
    """The names of what documents were compared with; folders are left out."""
    given = artifact.manifest.get("knobs", {}).get("against") or []
    return [label(PurePosixPath(str(path).replace("\\", "/")).name, 80) for path in ([given] if isinstance(given, str) else given)]


def teacher_name(recipe: Mapping[str, Any]) -> str:
    """How the recipe calls its teacher."""
    spec = recipe.get("teacher") or {}
    return label(spec.get("model") or spec.get("use") or "", 60)


def sentences(
    above: Sequence[Artifact], found: Corpus, groups: Mapping[str, Groups], recipe: Mapping[str, Any]
) -> list[str]:
    """What a person should take away, at most five sentences, each computed from the facts."""
    sums = totals(above, found.rows)
    said = [
        _yield(above, sums),
        _exam(above),
        _openings(found),
        _clean(above, groups),
        _spent(sums, teacher_name(recipe)),
    ]
    return [each for each in said if each]


def _yield(above: Sequence[Artifact], sums: Totals) -> str:
    if not sums.begun:
        return f"{plural(sums.left, 'document')} came out."
    said = f"Of {plural(sums.begun, 'record')} that came in, {sums.left:,} {'is' if sums.left == 1 else 'are'} left"
    said += f" ({share(sums.left / sums.begun)})" if sums.left <= sums.begun else ""
    worst = max(reasons(above), key=lambda entry: entry[2], default=None)
    if worst is None:
        return said + "; no step dropped any."
    lost = sum(many for _, _, many in reasons(above))
    return said + f"; the largest loss is {label(worst[0].step)}, “{label(worst[1])}”: {worst[2]:,} of {lost:,} drops."


def _openings(found: Corpus) -> str:
    top = found.openings.top(1)
    half = f"Half of the documents have {found.words.quantile(0.25):,} to {found.words.quantile(0.75):,} words"
    if not found.rows:
        return ""
    if not top or top[0][1] < 2:
        return half + ", and no two begin alike."
    part = top[0][1] / found.rows
    verdict = f"one opening is far too common: “{label(top[0][0])}” begins {share(part)} of them."
    if part <= TELLTALE:
        verdict = f"the most common opening, “{label(top[0][0])}”, begins {share(part)} of them."
    return f"{half}; {verdict}"


def _clean(above: Sequence[Artifact], groups: Mapping[str, Groups]) -> str:
    said = []
    for artifact in above:
        many = int(artifact.manifest.get("dropped", 0))
        if artifact.stage.startswith("dedup."):
            size = groups[artifact.step].largest if artifact.step in groups else 0
            more = f" (the largest group had {size:,})" if many and size else ""
            said.append(f"{plural(many, 'duplicate')}{more}" if many else "no duplicates")
        elif artifact.stage.startswith("decontaminate."):
            names = against(artifact)
            of = f"of {plural(len(names), 'exam file')}" if names else "of no exam, for none was named,"
            said.append(f"{plural(many, 'document') if many else 'none'} with items {of}")
    return f"Taken out: {', and '.join(said)}." if said else ""


def _exam(above: Sequence[Artifact]) -> str:
    """How well the student did, by what its exams and its training say of themselves."""
    bits = next((b for a in reversed(above) if (b := bits_of(a))), {})
    if "student" in bits:
        others = {name: value for name, value in bits.items() if name != "student"}
        best = min(others, key=lambda name: others[name], default=None)
        said = f"The student needs {number(bits['student'])} bits for a byte of text it has not seen"
        if best is None:
            return said + "."
        ratio = others[best] / bits["student"] if bits["student"] else math.inf
        how = f"{number(round(ratio, 2))} times better than" if ratio >= 1 else f"not as good as the {number(others[best])} of"
        return f"{said}, {how} {best}."
    losses = next((f for a in reversed(above) if (f := a.manifest.get("facts", {})).get("val_loss") is not None), None)
    return f"The student's loss on text it has not seen is {number(losses['val_loss'])}." if losses else ""


def bits_of(artifact: Artifact) -> dict[str, float]:
    """Bits per byte by who predicts: the student, gzip, zstd …, where an exam says so."""
    return {}


def _spent(sums: Totals, teacher: str) -> str:
    said = f"All steps together took {seconds(sums.seconds)}"
    if sums.asked:
        rest = f" and {plural(sums.cached, 'reply', 'replies')} came from the journal" if sums.cached else ""
        by = f"the teacher {teacher}" if teacher else "the teacher"
        return f"{said}; {by} wrote {plural(sums.tokens, 'token')} for {usd(sums.usd)}{rest}."
    if sums.cached:
        return f"{said}; all {plural(sums.cached, 'reply', 'replies')} came from the journal, so no teacher was paid."
    return said + "."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
