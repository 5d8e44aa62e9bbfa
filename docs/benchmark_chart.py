"""Draws a result of the benchmark suite: what each target needs, beside what the gateway needs. Plain SVG.

Bars are ratios on a logarithmic scale that begins at the gateway's value: to the left who needs less, to the right who
needs more. Colours follow the reader's light or dark scheme.
"""

import math
from collections.abc import Iterator
from html import escape
from typing import Any

OURS = "slowgate"
PANELS = (
    "small_cpu_us",
    "quiet_p50_us",
    "sse_cpu_us",
    "sse_fast_cpu_us",
    "bulk_cpu_s",
    "bulk_chunked_cpu_s",
    "upload_cpu_s",
    "hold_each_kib",
)
"""What is drawn, by the keys of measures; those that a result lacks are left out."""

_WIDTH, _COLUMNS = 960, 2
_PANEL_WIDTH = _WIDTH // _COLUMNS
_ROW, _ABOVE_ROWS, _BELOW_ROWS = 18, 48, 18
_LABEL_RIGHT, _PLOT_LEFT, _PLOT_RIGHT = 118, 128, 368
_TOP, _BOTTOM = 74, 16
_STYLE = """
  .paper { fill: #ffffff; } text { fill: #1f2328; font: 12px system-ui, sans-serif; }
  .title { font-size: 17px; font-weight: 600; } .panel { font-size: 13px; font-weight: 600; }
  .quiet { fill: #59636e; font-size: 11px; } .ours { font-weight: 700; }
  .less { fill: #2f6f9f; } .more { fill: #c4682b; } .self { fill: #1f2328; }
  .line { stroke: #d1d9e0; stroke-width: 1; } .base { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .less { fill: #6cb2e3; } .more { fill: #e8935a; } .self { fill: #f0f6fc; }
    .line { stroke: #3d444d; } .base { stroke: #f0f6fc; }
  }
"""


def svg(result: dict[str, Any]) -> str:
    """Return the chart; it ends with a newline. A result without anything to compare gives an empty one."""
    panels = [key for key in PANELS if result["ratios"].get(key)]
    low, high = _range(result, panels)
    heights, body = [_TOP], []
    for start in range(0, len(panels), _COLUMNS):
        row = panels[start : start + _COLUMNS]
        for column, key in enumerate(row):
            place = f'<g transform="translate({column * _PANEL_WIDTH},{heights[-1]})">'
            body += [place, *_panel(result, key, low, high), "</g>"]
        heights.append(heights[-1] + max(_height(result, key) for key in row))
    height = heights[-1] + _BOTTOM
    about = result["about"]
    described = "Ratios to slowgate on a logarithmic scale, for each measure and target; the tables have the numbers."
    subtitle = (
        f"Bars show the ratio to {OURS} on a logarithmic scale: to the left needs less, to the right needs more."
        f" One worker each, {about['date']}."
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' role="img" aria-labelledby="t d">',
        f'<title id="t">What {OURS} and others need for the same work</title><desc id="d">{described}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="30">What {OURS} and others need for the same work</text>',
        f'<text class="quiet" x="16" y="50">{escape(subtitle)}</text>',
    ]
    return "\n".join([*head, *body, "</svg>", ""])


def _range(result: dict[str, Any], panels: list[str]) -> tuple[int, int]:
    """Return the powers of two between which all ratios lie."""
    logs = [math.log2(ratio) for key in panels for ratio in result["ratios"][key].values()]
    return min(-1, *map(math.floor, logs), 0), max(1, *map(math.ceil, logs), 0)


def _bars(result: dict[str, Any], key: str) -> list[tuple[str, float]]:
    """Return targets and their ratios, the smallest first; the gateway is among them."""
    ratios: dict[str, float] = {**result["ratios"][key], OURS: 1.0}
    return sorted(ratios.items(), key=lambda pair: (pair[1], pair[0]))


def _height(result: dict[str, Any], key: str) -> int:
    return _ABOVE_ROWS + _ROW * len(_bars(result, key)) + _BELOW_ROWS


def _panel(result: dict[str, Any], key: str, low: int, high: int) -> Iterator[str]:
    measure, bars = result["measures"][key], _bars(result, key)
    bottom = _ABOVE_ROWS + _ROW * len(bars)

    def across(log: float) -> float:
        return round(_PLOT_LEFT + (log - low) / (high - low) * (_PLOT_RIGHT - _PLOT_LEFT), 1)

    unit = f", {measure['unit']}" if measure["unit"] else ""
    yield f'<text class="panel" x="16" y="18">{escape(measure["label"] + unit)}</text>'
    for power in range(low, high + 1):
        if power % 2 == 0:
            yield from _scale_line(across(power), power, bottom)
    for number, (target, ratio) in enumerate(bars):
        middle = _ABOVE_ROWS + _ROW * number + _ROW // 2
        yield from _bar(target, across(0), across(math.log2(ratio)), middle)
        shown = f"{result['medians'][key][target]:,.{measure['digits']}f}"
        shown += "" if target == OURS else f" ({ratio:.2f}\u00d7)"
        yield f'<text class="{_weight(target)}" x="{_PLOT_RIGHT + 8}" y="{middle + 4}">{shown}</text>'


def _scale_line(x: float, power: int, bottom: int) -> Iterator[str]:
    kind, tick = "base" if power == 0 else "line", _tick(power)
    yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_ABOVE_ROWS - 6}" y2="{bottom}"/>'
    yield f'<text class="quiet" text-anchor="middle" x="{x}" y="{_ABOVE_ROWS - 12}">{tick}</text>'


def _bar(target: str, base: float, end: float, middle: int) -> Iterator[str]:
    place = f'class="{_weight(target)}" text-anchor="end" x="{_LABEL_RIGHT}" y="{middle + 4}"'
    yield f"<text {place}>{escape(target)}</text>"
    if target == OURS:
        yield f'<circle class="self" cx="{base}" cy="{middle}" r="5"/>'
    else:
        kind = "less" if end < base else "more"
        width = round(max(1.0, abs(end - base)), 1)
        yield f'<rect class="{kind}" x="{min(base, end)}" y="{middle - 6}" width="{width}" height="12" rx="1"/>'


def _weight(target: str) -> str:
    return "ours" if target == OURS else "other"


def _tick(power: int) -> str:
    return f"1/{2**-power}" if power < 0 else f"{2**power}\u00d7"
