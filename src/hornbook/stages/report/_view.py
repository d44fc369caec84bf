"""The page itself: facts and samples put into the template, with charts, under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from hornbook import __version__
from hornbook.core import compared, judged
from hornbook.core.stage import Artifact, Inputs
from hornbook.stages.report import _charts as charts
from hornbook.stages.report import _facts as facts
from hornbook.stages.report import _gather as gather
from hornbook.stages.report import _show as show
from hornbook.stages.report._splits import splits

_RECIPE = 60_000
_PACKAGES = (
    "pyarrow", "numpy", "numba", "pydantic", "tokenizers", "torch", "xllamacpp", "aiohttp", "xxhash",
    "vl-convert-python",
)  # fmt: skip
_BARS = 20


def render(inputs: Inputs, found: gather.Corpus, examples: int, tick: Callable[[float, str], None]) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined

    above = inputs.above
    dropping = [a for a in facts.funnel(above) if a.manifest.get("dropped")]
    drops = []
    for at, artifact in enumerate(dropping):
        tick(0.4 * at / len(dropping), f"examples of {artifact.step}")
        drops.append((artifact, gather.examples(artifact, examples)))
    dedup = [(a, gather.groups(a)) for a in above if a.stage.startswith("dedup.")]
    groups = {a.step: each for a, each in dedup if each is not None}
    tick(0.5, "drawing")
    style = charts.theme_css() + _read("page.css")
    context = _context(inputs, found, groups) | {
        "style": Markup(style),
        "policy": policy(style),
        "drops": drops,
        "examples": examples,
        "charts": _drawn(above, found),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "visible": show.visible, "whole": show.whole, "label": show.label, "number": show.number, "share": show.share,
        "seconds": show.seconds, "usd": show.usd, "plural": show.plural, "flat": show.flat, "quote": shlex.quote,
    }  # fmt: skip
    tick(0.9, "writing")
    return environment.from_string(_read("page.jinja")).render(context)


def policy(style: str) -> str:
    """The content security policy: nothing may be fetched or run; the one style sheet is known by its hash."""
    known = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{known}'; base-uri 'none'; form-action 'none'"


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _context(inputs: Inputs, found: gather.Corpus, groups: Mapping[str, gather.Groups]) -> dict[str, Any]:
    above, recipe = inputs.above, inputs.recipe
    first, last = facts.when(above)
    checks = [a for a in above if a.stage.startswith("decontaminate.")]
    hits = {a.step: gather.evidence_of(a, "decontaminate.benchmark").top(_BARS) for a in checks}
    return {
        "name": show.label(recipe.get("name") or "report", 80),
        "recipe": recipe,
        "yaml": _yaml(recipe),
        "above": above,
        "funnel": facts.funnel(above),
        "seeds": sorted(facts.seeds(above)),
        "judges": [(a, tables) for a in above if (tables := judged.tables(a.manifest.get("facts", {})))],
        "compared": [
            (a, compared.tables(found), compared.sentences(found))
            for a in facts.comparisons(above)
            for found in [a.manifest["facts"]]
        ],
        "jobs": [
            (a, gather.written(a))
            for a in facts.alone(above)
            if a.makes != "documents" and a not in facts.comparisons(above)
        ],
        "found": found,
        "groups": groups,
        "dedup": [a for a in above if a.stage.startswith("dedup.")],
        "splits": splits(inputs),
        "checks": [(a, facts.against(a), hits[a.step]) for a in checks],
        "took": [facts.took(a) for a in above],
        "totals": facts.totals(above, found.rows),
        "sentences": facts.sentences(above, found, groups, recipe),
        "openings": found.openings.top(10),
        "telltale": facts.TELLTALE,
        "asks": any(a.manifest.get("kind") == "ask" for a in above),
        "lessons": facts.lessons(above),
        "teacher": facts.teacher_name(above, recipe),
        "first": first,
        "last": last,
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }


def _yaml(recipe: Mapping[str, Any]) -> str:
    """The resolved recipe as YAML, without logins in addresses."""
    from ruamel.yaml import YAML

    out, yaml = io.StringIO(), YAML(typ="rt")
    yaml.width = 100
    yaml.dump(dict(recipe), out)
    text = show.no_login(out.getvalue())
    return text if len(text) <= _RECIPE else text[:_RECIPE] + "\n# … the rest is in recipe.yaml"


def _versions() -> list[tuple[str, str]]:
    """Hornbook, Python, and the packages whose version can change a result."""
    found = [("hornbook", __version__), ("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _drawn(above: Sequence[Artifact], found: gather.Corpus) -> dict[str, Markup]:
    """The charts, each where there is something to draw."""
    drawn: dict[str, Markup] = {}
    steps = [
        (a.step, int(a.manifest["kept"]), int(a.manifest["dropped"]))
        for a in facts.funnel(above)
        if a.step not in facts.seeds(above)
    ]
    if steps:
        says = "; ".join(f"{name}: {kept:,} kept, {gone:,} dropped" for name, kept, gone in steps)
        drawn["funnel"] = charts.draw(charts.stacked(steps, "rows"), f"Rows by step. {says}.")
    lost = sorted(facts.reasons(above), key=lambda entry: -entry[2])[:_BARS]
    if len(lost) > 1:
        rows = [(f"{name} ({a.step})", float(many), f"{many:,}") for a, name, many in lost]
        drawn["reasons"] = charts.draw(charts.bars(rows, tint="gone"), _says("Drops by reason and step", rows))
    if found.rows:
        drawn |= _texts(found)
    alone = facts.alone(above)
    spent = [(t.step, t.seconds, show.seconds(t.seconds)) for t in map(facts.took, alone)]
    if len(alone) < len(above):
        rest = sum(facts.took(a).seconds for a in above if a not in alone)
        spent.append(("students and exams", rest, show.seconds(rest)))
    if any(value for _, value, _ in spent):
        drawn["seconds"] = charts.draw(charts.bars(spent), _says("Time by step", spent))
    for artifact in alone:
        drawn |= _curves(artifact)
        bits = [(name, value, f"{value:.3f}") for name, value in facts.bits_of(artifact).items()]
        if bits:
            drawn[f"bits {artifact.step}"] = charts.draw(
                charts.bars(bits, mark=facts.STUDENT), _says("Bits a byte", bits)
            )
    return drawn


def _texts(found: gather.Corpus) -> dict[str, Markup]:
    """Lengths, openings, features."""
    words, drawn = found.words, {}
    middle, spread = words.quantile(0.5), f"from {words.quantile(0.0):,} to {words.longest:,}"
    if words.longest:
        specs = charts.histogram(words.bins(), middle, "words", "documents")
        drawn["lengths"] = charts.draw(specs, f"Words a document, {spread}, median {middle:,}.")
    top = [(name, many / found.rows, show.share(many / found.rows)) for name, many in found.openings.top(10)]
    if top:
        specs = charts.bars(top, warn=facts.TELLTALE)
        drawn["openings"] = charts.draw(specs, _says("Share of documents by opening", top))
    if found.with_features:
        many = [(n, m / found.rows, show.share(m / found.rows)) for n, m in found.features.top(_BARS)]
        if many:
            drawn["features"] = charts.draw(charts.bars(many), _says("Share of documents by feature asked for", many))
    return drawn


def _curves(artifact: Artifact) -> dict[str, Markup]:
    """The learning curve a job left as `curve.jsonl`: every column whose name ends in `loss`."""
    rows = gather.curve(artifact)
    x = next((name for name in ("tokens", "step") if rows and all(name in row for row in rows)), None)
    if x is None:
        return {}
    names = sorted(
        {name for row in rows for name in row if name.endswith("loss")}, key=lambda n: (n != "train_loss", n)
    )
    series = {n: [(row[x], row[n]) for row in rows if isinstance(row.get(n), (int, float))] for n in names}
    series = {name.replace("_", " "): points for name, points in series.items() if points}
    if not series:
        return {}
    ends = ", ".join(f"{n} from {show.number(p[0][1])} to {show.number(p[-1][1])}" for n, p in series.items())
    drawn = charts.draw(charts.lines(series, x, "loss, nats a token"), f"Learning curve: {ends}.")
    return {f"curve {artifact.step}": drawn}


def _says(what: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """A chart in words, as far as one listens."""
    named = "; ".join(f"{show.label(name)}: {value}" for name, _, value in rows[:12])
    return f"{what}. {named}."
