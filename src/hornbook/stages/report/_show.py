"""Values and text from outside, made fit for a person's eyes: numbers, times, and text that cannot act."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

CUT = 1600
"""Most characters of a document that are shown."""
LINES = 60
"""Most lines of a document that are shown."""
_GAPS = re.compile(r"\n(?:[^\S\n]*\n){3,}")
_GLUE = "\u00a0"
_STACK = 4
"""Most combining marks in a row; more only paint over the lines above."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_PLAIN = frozenset("\n\t\u200c\u200d")
"""Line ends and tabs, and the two joiners that Persian, Indic scripts and emoji are written with."""
_LOGIN = re.compile(r"(://)[^/@\s'\"]+@")


def runs(text: str) -> Iterator[tuple[bool, str]]:
    """Text in runs: (False, what can be shown as it is) and (True, the name of what cannot: `U+202E ×3`)."""
    plain: list[str] = []
    hidden, times, stack = "", 0, 0
    for char in text:
        kind = unicodedata.category(char)
        if kind in _HIDDEN and char not in _PLAIN:
            if plain:
                yield False, "".join(plain)
                plain = []
            if char != hidden and times:
                yield True, _name(hidden, times)
                times = 0
            hidden, times = char, times + 1
            continue
        if times:
            yield True, _name(hidden, times)
            hidden, times = "", 0
        stack = stack + 1 if kind in ("Mn", "Me") else 0
        if stack <= _STACK:
            plain.append(char)
    if plain:
        yield False, "".join(plain)
    if times:
        yield True, _name(hidden, times)


def _name(char: str, times: int) -> str:
    return f"U+{ord(char):04X}" + (f" ×{times}" if times > 1 else "")


def visible(text: Any, limit: int = CUT, length: int | None = None) -> Markup:
    """Text as HTML that cannot act: escaped, cut, and every control character made visible.

    Args:
        text: anything; None is shown as nothing.
        limit: most characters shown; `LINES` is the most lines.
        length: characters of the whole, where `text` was cut before.
    """
    whole = "" if text is None else str(text)
    shown = "\n".join(whole[:limit].split("\n")[:LINES])
    odd, at, parts = Markup('<span class="u">{}</span>'), 0, []
    for gap in [*_GAPS.finditer(shown), None]:
        between = shown[at : gap.start() if gap else None]
        parts += [odd.format(run) if hidden else escape(run) for hidden, run in runs(between)]
        if gap:
            parts += [Markup("\n"), odd.format(f"{gap.group().count(chr(10))} line ends"), Markup("\n")]
            at = gap.end()
    left = (length if length is not None else len(whole)) - len(shown)
    if left > 0:
        parts.append(Markup('<span class="cut"> … {} more characters</span>').format(f"{left:,}"))
    if not whole:
        parts.append(Markup('<span class="cut">empty</span>'))
    return Markup("").join(parts)


def whole(text: str) -> Markup:
    """All of a text that was bounded before (the recipe), made harmless in the same way."""
    odd = Markup('<span class="u">{}</span>')
    return Markup("").join(odd.format(run) if hidden else escape(run) for hidden, run in runs(text))


def label(text: Any, limit: int = 40) -> str:
    """Text as a short single line, for the label of a chart: no control characters."""
    said = "".join(f"[{run}]" if odd else run for odd, run in runs(str(text)[: limit + 1]))
    said = " ".join(said.split())
    return said if len(said) <= limit else said[: limit - 1] + "…"


def no_login(text: str) -> str:
    """Text without the name and password that an address may carry (`https://name:password@host`)."""
    return _LOGIN.sub(r"\1…@", text)


def number(value: Any) -> str:
    """A number for people: 12,345; 0.0312; four digits that mean something."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share(value: float) -> str:
    """A share as a percentage: 0 %, < 0.1 %, 3.2 %, 41 %, 99.8 %."""
    percent = 100 * value
    if 0 < percent < 0.1:
        return f"<{_GLUE}0.1{_GLUE}%"
    digits = 1 if 0 < percent < 9.95 or 99 < percent < 99.95 else 0
    return f"{percent:.{digits}f}{_GLUE}%"


def seconds(value: float) -> str:
    """A time: 0.42 s, 1.3 s, 12 s, 3 min 20 s, 1 h 05 min."""
    if value < 0.995:
        said = f"{value:.2f} s" if value >= 0.005 else "< 0.01 s"
    elif value < 59.5:
        said = f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    elif value < 3599.5:
        said = f"{round(value) // 60} min {round(value) % 60:02d} s"
    else:
        said = f"{round(value) // 3600:,} h {round(value) % 3600 // 60:02d} min"
    return said.replace(" ", _GLUE)


def usd(value: float) -> str:
    """Money: $0, $0.0031, $12.40."""
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}"


def plural(many: int, one: str, more: str = "") -> str:
    """`1 document`, `12 documents`."""
    return f"{many:,} {one if many == 1 else more or one + 's'}"


def flat(facts: Mapping[str, Any], most: int = 200) -> list[tuple[str, str]]:
    """Facts of any shape as (dotted name, shown value), in order, at most `most` of them."""
    rows: list[tuple[str, str]] = []
    for name, value in _leaves(facts, ""):
        if len(rows) == most:
            rows.append(("…", "more in manifest.json"))
            break
        rows.append((label(name, 80), _leaf(name, value)))
    return rows


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _leaf(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_leaf("", inner) for inner in value[:8])
        return shown + (f", … ({len(value):,} in all)" if len(value) > 8 else "") if value else "none"
    if isinstance(value, Mapping):
        return label(", ".join(f"{k}: {number(v)}" for k, v in value.items()) or "none", 200)
    if isinstance(value, float) and name.rpartition(".")[2] == "seconds":
        return seconds(value)
    return label(number(value), 200)
