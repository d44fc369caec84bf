"""What the manifests above say, put together: the funnel, what it took, and a few plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from hornbook.core import compared
from hornbook.core.stage import Artifact
from hornbook.stages.report._gather import Corpus, Groups
from hornbook.stages.report._show import label, number, plural, seconds, share, usd

TELLTALE = 0.10
"""Share of documents with one opening above which it is flagged; our own choice. For comparison, 59 % of
TinyStories contain "Once upon a time" (SimpleStories, arXiv:2504.09184)."""
STUDENT, _BITS = "student", "bits_per_byte"


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
    """The steps that documents flow through, without what students of a comparison wrote."""
    return [a for a in alone(above) if a.makes == "documents"]


def comparisons(above: Sequence[Artifact]) -> list[Artifact]:
    """The comparisons of data sets."""
    return [a for a in above if compared.compared(a.manifest.get("facts", {}))]


def alone(above: Sequence[Artifact]) -> list[Artifact]:
    """The steps without the students of comparisons and their exams: these are rows of a table."""
    arms = [a.manifest.get("knobs", {}).get("arms", {}) for a in comparisons(above)]
    inside = {step for each in arms for seeds in each.values() for steps in seeds.values() for step in steps}
    return [a for a in above if a.step not in inside]


def seeds(above: Sequence[Artifact]) -> set[str]:
    """The steps that merely feed a source (words for prompts, web pages for their clusters), by their names."""
    by_output = {a.manifest.get("output"): a for a in above}
    found: set[str] = set()
    todo = [given for a in above if a.manifest.get("kind") == "source" for given in a.manifest.get("inputs", [])]
    while todo:
        fed = by_output.get(todo.pop())
        if fed is not None and fed.step not in found:
            found.add(fed.step)
            todo += fed.manifest.get("inputs", [])
    return found


def begun(above: Sequence[Artifact]) -> int:
    """Records that came in: those of all sources but seeds."""
    sources = [a for a in alone(above) if a.manifest.get("kind") == "source" and a.step not in seeds(above)]
    return sum(int(a.manifest["rows_in"]) for a in sources)


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
    return [
        label(PurePosixPath(str(path).replace("\\", "/")).name, 80)
        for path in ([given] if isinstance(given, str) else given)
    ]


def lessons(above: Sequence[Artifact]) -> int:
    """Tokens of the training split, as the nearest tokenizing step counted them; 0 where none or several are."""
    if comparisons(above):
        return 0
    found = [a.manifest.get("facts", {}).get("train_tokens") for a in above if a.makes == "tokens"]
    return int(found[-1]) if found and _is_number(found[-1]) else 0


def teacher_name(above: Sequence[Artifact], recipe: Mapping[str, Any]) -> str:
    """How the recipe calls its teacher; empty where no step asks one."""
    if not any(a.manifest.get("kind") == "ask" for a in above):
        return ""
    spec = recipe.get("teacher") or {}
    kind = str(spec.get("use") or "")
    return label("scripted" if kind == "scripted" else spec.get("model") or kind, 60)


def sentences(
    above: Sequence[Artifact], found: Corpus, groups: Mapping[str, Groups], recipe: Mapping[str, Any]
) -> list[str]:
    """What a person should take away, at most five sentences, each computed from the facts."""
    sums = totals(above, found.rows)
    said = [
        _yield(above, sums),
        _comparison(above) or _exam(above),
        _openings(found),
        _clean(above, groups),
        _spent(sums, teacher_name(above, recipe)),
    ]
    return [each for each in said if each]


def _yield(above: Sequence[Artifact], sums: Totals) -> str:
    if not sums.begun:
        return f"{plural(sums.left, 'document')} came out."
    said = f"Of {plural(sums.begun, 'record')} that came in, {sums.left:,} {'is' if sums.left == 1 else 'are'} left"
    said += f" ({share(sums.left / sums.begun)})" if sums.left <= sums.begun else ""
    worst = max(funnel(above), key=lambda a: int(a.manifest["dropped"]), default=None)
    if worst is None or not worst.manifest["dropped"]:
        return said + "; no step dropped any."
    lost, why = int(worst.manifest["dropped"]), worst.manifest["reasons"]
    most = max(why, key=lambda name: why[name], default="")
    how = f", {'all' if why.get(most) == lost else f'{why[most]:,}'} of them for “{label(most)}”" if most else ""
    return f"{said}. The step {label(worst.step)} dropped most: {lost:,}{how}."


def _openings(found: Corpus) -> str:
    top = found.openings.top(1)
    half = f"Half of the documents have {found.words.quantile(0.25):,} to {found.words.quantile(0.75):,} words"
    if not found.rows:
        return ""
    if not top or top[0][1] < 2:
        return half + ", and no two begin alike."
    part = top[0][1] / found.rows
    verdict = f"one opening is too common: “{label(top[0][0])}” begins {share(part)} of them."
    if part <= TELLTALE:
        verdict = f"the most common opening, “{label(top[0][0])}”, begins {share(part)} of them."
    return f"{half}; {verdict}"


def _clean(above: Sequence[Artifact], groups: Mapping[str, Groups]) -> str:
    said = []
    for artifact in above:
        many = int(artifact.manifest.get("dropped", 0))
        if artifact.stage.startswith("dedup."):
            size = groups[artifact.step].largest if artifact.step in groups else 0
            more = f" (the largest group had {size:,})" if size else ""
            said.append(f"{_were(many, 'duplicate')} taken out{more}" if many else "no document repeated another")
        elif artifact.stage.startswith("decontaminate."):
            names = against(artifact)
            files = plural(len(names), "exam file") if len(names) > 1 else "exam file"
            clean = f"no document held an item of the {files} checked"
            found = f"{_were(many, 'document')} taken out for holding an exam item"
            said.append((found if many else clean) if names else "the documents were compared with no exam")
    return "; ".join(said)[:1].upper() + "; ".join(said)[1:] + "." if said else ""


def _were(many: int, what: str) -> str:
    return f"{plural(many, what)} {'was' if many == 1 else 'were'}"


def _comparison(above: Sequence[Artifact]) -> str:
    """How many differences of the last comparison of data sets can be told."""
    found = comparisons(above)
    if not found:
        return ""
    facts = found[-1].manifest["facts"]
    told = sum(bool(one["told"]) for one in facts["differences"])
    many = len(facts["differences"])
    sets = plural(len(facts["arms"]), "data set")
    start = f"Of {plural(many, 'difference')} between what {sets} taught"
    return f"{start}, {told or 'none'} can be told at p < {facts['level']:g}."


def _exam(above: Sequence[Artifact]) -> str:
    """How well the student did, by what its exams and its training say of themselves."""
    exam = next((a for a in reversed(above) if bits_of(a)), None)
    if exam is not None:
        return _bits(bits_of(exam), exam.manifest["facts"])
    losses = next((f for a in reversed(above) if _is_number((f := a.manifest.get("facts", {})).get("val_loss"))), None)
    return f"The student's loss on text it has not seen is {number(losses['val_loss'])}." if losses else ""


def _bits(bits: Mapping[str, float], said: Mapping[str, Any]) -> str:
    """The student next to the best compressor, as far as its interval lets one tell them apart."""
    mine, others = bits[STUDENT], [(many, name) for name, many in bits.items() if name != STUDENT]
    start = f"The student predicts text it has not seen at {number(round(mine, 3))} bits a byte"
    if not others:
        return start + "."
    best, name = min(others)
    low, high = (float(said[end]) if _is_number(said.get(end)) else mine for end in ("low", "high"))
    told = "so the student is better" if best > high else "so the student is not yet as good"
    if low <= best <= high:
        ends = f"{number(round(low, 3))} to {number(round(high, 3))}"
        told = f"within the student's interval, {ends}: no difference is shown"
    return f"{start}; the best compressor, {name}, needs {number(round(best, 3))}, {told}."


def bits_of(artifact: Artifact) -> dict[str, float]:
    """Bits per byte of held-out text by who predicts it (the student, gzip, zstd …), where an exam says so."""
    found = artifact.manifest.get("facts", {})
    named = {name: value for name, value in found.items() if name.endswith(_BITS) and _is_number(value)}
    if _BITS not in named:
        return {}
    mine = float(named.pop(_BITS))
    others = {name.removesuffix("_" + _BITS).replace("_", " "): float(value) for name, value in named.items()}
    return {STUDENT: mine} | dict(sorted(others.items(), key=lambda pair: pair[1]))


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
