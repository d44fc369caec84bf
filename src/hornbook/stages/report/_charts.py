"""Charts: Vega-Lite specifications drawn as SVG here, so that the page holds no script.

Each chart is drawn twice, for a wide and for a narrow page, for text in a drawing that is scaled down
cannot be read. The drawings use the colours of the light theme; the style sheet maps every one of them
to the variable of its name, so the dark theme reaches into the charts as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hornbook.stages.report._show import label

THEME = {
    "paper": ("#ffffff", "#14171a"),
    "ink": ("#1a1d21", "#e6e8ea"),
    "soft": ("#59616a", "#a0a8b0"),
    "line": ("#dfe2e6", "#2d3238"),
    "wash": ("#f5f6f8", "#1c2024"),
    "link": ("#1b5c88", "#86bfe6"),
    "kept": ("#2a6f97", "#6cb0d9"),
    "gone": ("#c4602a", "#eb9a68"),
    "good": ("#3d7a4f", "#7fc394"),
    "pale": ("#7397ad", "#587b92"),
}
"""Name → colour in light and in dark. Text on paper: ink 16.9 and 14.6 to 1, soft 6.2 and 7.5, link 7.0 and
9.2 (WCAG 2.2 AA asks 4.5)."""

WIDTHS = {"wide": 860, "narrow": 350}
_LETTERS = {"wide": 30, "narrow": 17}
_LETTER = 7.3
"""Width of a letter in pixels: the widest usual text font at 12 px, for the reader's is not known here."""
_EMPTY = re.compile(r'<path class="(?:fore|back)ground"[^>]*d="(?:M0,0h0v0h0Z)?"[^>]*/>')
_ARIA = re.compile(r' (?:aria-[a-z]+|role|pointer-events)="[^"]*"')


_SHORT: dict[str, Any] = {"labelExpr": "format(datum.value, '~s')", "labelFlush": False, "labelOverlap": True}
"""Axis labels like 500, 1k, 1.5M."""


def colour(name: str) -> str:
    """A theme colour as it is written into drawings."""
    return THEME[name][0]


def theme_css() -> str:
    """The variables of both themes, and the rules that map the colours of drawings to them."""
    light = "".join(f"--{name}:{pair[0]};" for name, pair in THEME.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in THEME.items())
    rules = "".join(
        f'.plot [fill="{pair[0]}"]{{fill:var(--{name})}}.plot [stroke="{pair[0]}"]{{stroke:var(--{name})}}'
        for name, pair in THEME.items()
    )
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}\n"
    )


def draw(specs: Mapping[str, Mapping[str, Any]], says: str) -> Markup:
    """A chart as HTML: one drawing for each width, and what it says for those who do not see it."""
    drawings = [Markup('<div class="{}">{}</div>').format(name, _svg(spec)) for name, spec in specs.items()]
    return Markup('<div class="plot" role="img" aria-label="{}">{}</div>').format(says, Markup("").join(drawings))


def _svg(spec: Mapping[str, Any]) -> Markup:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(json.dumps(spec), vl_version="5.20")
    svg = _ARIA.sub("", _EMPTY.sub("", svg)).replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


def stacked(rows: Sequence[tuple[str, int, int]], unit: str) -> dict[str, dict[str, Any]]:
    """Bars of what was kept and what was dropped: (name, kept, dropped) from top to bottom."""
    return {size: _stacked(rows, unit, size) for size in WIDTHS}


def _stacked(rows: Sequence[tuple[str, int, int]], unit: str, size: str) -> dict[str, Any]:
    labels = _labels([name for name, _, _ in rows], size)
    lost = " kept, {:,} dropped" if size == "wide" else " (−{:,})"
    values = [
        {"name": name, "what": what, "rows": many, "order": order}
        for name, (_, kept, gone) in zip(labels, rows, strict=True)
        for order, (what, many) in enumerate((("kept", kept), ("dropped", gone)))
    ]
    totals = [
        {"name": name, "end": kept + gone, "says": f"{kept:,}" + (lost.format(gone) if gone else "")}
        for name, (_, kept, gone) in zip(labels, rows, strict=True)
    ]
    scale = {"domain": ["kept", "dropped"], "range": [colour("kept"), colour("gone")]}
    most = max((kept + gone for _, kept, gone in rows), default=1)
    x = _amount("rows", unit) | {
        "scale": {"domain": [0, max(1, most) * (1.25 if size == "wide" else 1.65)], "nice": False}
    }
    y = _names(labels)
    layers = [
        {
            "data": {"values": values},
            "mark": {"type": "bar", "height": 14},
            "encoding": {
                "x": x,
                "y": y,
                "color": {"field": "what", "scale": scale, "legend": {"orient": "top", "title": None}},
                "order": {"field": "order", "type": "quantitative"},
            },
        },
        {
            "data": {"values": totals},
            "mark": {"type": "text", "align": "left", "dx": 5, "color": colour("soft")},
            "encoding": {
                "x": {"field": "end", "type": "quantitative"},
                "y": y,
                "text": {"field": "says", "type": "nominal"},
            },
        },
    ]
    return _frame(size, layer=layers, height={"step": 26})


def bars(
    rows: Sequence[tuple[str, float, str]], *, tint: str = "kept", warn: float | None = None, mark: str = ""
) -> dict[str, dict[str, Any]]:
    """Bars with their values: (name, value, value as text).

    Args:
        rows: from top to bottom.
        tint: colour of the bars.
        warn: a line; values above it take the warning colour.
        mark: the one bar that matters; the others are pale.
    """
    tints = [_tint(name, value, tint, warn, mark) for name, value, _ in rows]
    return {size: _bars(rows, tints, warn, size) for size in WIDTHS}


def _tint(name: str, value: float, tint: str, warn: float | None, mark: str) -> str:
    if warn is not None and value > warn:
        return colour("gone")
    return colour("pale" if mark and name != mark else tint)


def _bars(
    rows: Sequence[tuple[str, float, str]], tints: Sequence[str], warn: float | None, size: str
) -> dict[str, Any]:
    labels = _labels([name for name, _, _ in rows], size)
    values = [
        {"name": name, "value": value, "says": says, "tint": tint}
        for name, (_, value, says), tint in zip(labels, rows, tints, strict=True)
    ]
    most = max([value for _, value, _ in rows] + ([warn] if warn is not None else []), default=1) or 1
    scale = {"domain": [0, most * (1.12 if size == "wide" else 1.3)], "nice": False}
    x = {"field": "value", "type": "quantitative", "axis": None, "scale": scale}
    y = _names(labels)
    bar = {
        "mark": {"type": "bar", "height": 14},
        "encoding": {"x": x, "y": y, "color": {"field": "tint", "type": "nominal", "scale": None}},
    }
    text = {"type": "text", "align": "left", "dx": 5}
    halo = text | {"color": colour("paper"), "stroke": colour("paper"), "strokeWidth": 5, "strokeJoin": "round"}
    said = {"x": x, "y": y, "text": {"field": "says", "type": "nominal"}}
    layers: list[dict[str, Any]] = [bar]
    if warn is not None:
        at = {"x": {"datum": warn, "type": "quantitative", "axis": None}}
        layers.append({"mark": {"type": "rule", "color": colour("gone"), "strokeDash": [3, 3]}, "encoding": at})
        layers.append({"mark": halo, "encoding": said})
    layers.append({"mark": text | {"color": colour("soft")}, "encoding": said})
    return _frame(size, data={"values": values}, layer=layers, height={"step": 24})


def histogram(bins: Sequence[tuple[int, int, int]], middle: float, unit: str, rows: str) -> dict[str, dict[str, Any]]:
    """A distribution: (from, below, how many), with the median as a line."""
    last = bins[-1]
    width = bins[0][1] - bins[0][0]
    shown = [*bins[:-1], (last[0], last[0] + width, last[2])]
    values = [{"from": low, "to": high, "rows": many} for low, high, many in shown]
    x = {"type": "quantitative", "title": unit, "axis": {"grid": False, "tickCount": 6, "format": ",d"}}
    domain = {"scale": {"domain": [shown[0][0], shown[-1][1]], "nice": False}}
    layers = [
        {
            "data": {"values": values},
            "mark": {"type": "bar", "color": colour("kept"), "binSpacing": 1},
            "encoding": {
                "x": x | domain | {"field": "from", "bin": {"binned": True}},
                "x2": {"field": "to"},
                "y": {"field": "rows", "type": "quantitative", "title": rows, "axis": {"tickCount": 4, "format": ",d"}},
            },
        },
        {
            "data": {"values": [{"at": middle, "says": f"median {middle:,.0f}"}]},
            "encoding": {"x": {"field": "at", "type": "quantitative"}},
            "layer": [
                {"mark": {"type": "rule", "color": colour("ink"), "strokeDash": [4, 3]}},
                {
                    "mark": {"type": "text", "align": "left", "dx": 5, "y": -6, "color": colour("ink")},
                    "encoding": {"text": {"field": "says", "type": "nominal"}},
                },
            ],
        },
    ]
    return {size: _frame(size, layer=layers, height=170, padding={"top": 14}) for size in WIDTHS}


def lines(series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> dict[str, dict[str, Any]]:
    """Curves: name → points (x, y). The first is drawn pale, the others with dots."""
    names = list(series)
    tints = [colour(name) for name in ("pale", "kept", "gone", "good")]
    values = [{"what": name, "x": at, "y": value} for name, points in series.items() for at, value in points]
    scale = {"domain": names, "range": (tints * len(names))[: len(names)] if len(names) > 1 else [colour("kept")]}
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": x, "axis": {"grid": False, "tickCount": 5} | _SHORT},
        "y": {
            "field": "y",
            "type": "quantitative",
            "title": y,
            "scale": {"zero": False},
            "axis": {"tickCount": 5, "format": "~g"},
        },
        "color": {"field": "what", "scale": scale, "legend": {"orient": "top", "title": None, "symbolType": "stroke"}},
    }
    dots = {
        "transform": [{"filter": {"field": "what", "oneOf": names[1:]}}],
        "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1},
    }
    layers: list[dict[str, Any]] = [{"mark": {"type": "line", "strokeWidth": 2, "interpolate": "linear"}}, dots]
    return {size: _frame(size, data={"values": values}, encoding=encoding, layer=layers, height=220) for size in WIDTHS}


def _labels(names: Sequence[str], size: str) -> list[str]:
    """Short labels that stay different from each other: spaces, which nobody sees, behind those that are equal."""
    found: list[str] = []
    for name in names:
        short = label(name, _LETTERS[size])
        while short in found:
            short += " "
        found.append(short)
    return found


def _names(labels: Sequence[str]) -> dict[str, Any]:
    """The axis of names, set from the left in as much room as the longest needs."""
    room = int(_LETTER * max((len(name.strip()) for name in labels), default=1)) + 12
    axis: dict[str, Any] = {"title": None, "domain": False, "ticks": False, "grid": False, "labelLimit": 0}
    axis |= {"labelAlign": "left", "labelPadding": room, "minExtent": room, "maxExtent": room}
    return {"field": "name", "type": "nominal", "sort": None, "axis": axis}


def _amount(field: str, unit: str) -> dict[str, Any]:
    axis = {"tickCount": 4, "domain": False, "ticks": False} | _SHORT
    return {"field": field, "type": "quantitative", "stack": "zero", "title": unit, "axis": axis}


def _frame(size: str, *, height: Any, padding: Mapping[str, int] | None = None, **body: Any) -> dict[str, Any]:
    """What all charts share: size, type, quiet axes."""
    axis = {
        "labelColor": colour("soft"),
        "titleColor": colour("soft"),
        "gridColor": colour("line"),
        "domainColor": colour("line"),
        "tickColor": colour("line"),
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    legend = {"labelColor": colour("ink"), "labelFontSize": 12, "symbolType": "square", "offset": 8}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTHS[size],
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
        "padding": {"left": 0, "right": 4, "top": 4, "bottom": 2} | dict(padding or {}),
        "config": {
            "font": "Helvetica, Arial, sans-serif",
            "view": {"stroke": None},
            "axis": axis,
            "legend": legend,
            "text": {"fontSize": 12},
            "rule": {"color": colour("soft")},
        },
        **body,
    }
