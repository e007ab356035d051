"""The process that draws charts: reads one line of JSON a chart, writes one line of JSON with its SVG, until its input ends.

Vega-Lite's renderer is a JavaScript engine of 60 MB, so it runs in its own process, which `charts.py` ends when it is idle.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import altair as alt
import vl_convert

INK, QUIET, RULE, LINE = "#14202b", "#5a6773", "#e3e8eb", "#1d5b8f"
FONT = "'PingFang SC', 'Microsoft YaHei UI', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', system-ui, sans-serif"
LABEL: dict[str, Any] = {"fontSize": 11, "font": FONT, "baseline": "bottom", "dy": -4}
WIDTH, HEIGHT, LOW = 424, 190, 110


def trend(spec: dict[str, Any]) -> alt.LayerChart:
    """A rate over time: `points` and `forecast` are [[day, percent]], `target` is in percent, the labels are text."""
    points = [{"day": day, "rate": rate} for day, rate in spec["points"]]
    rates = [rate for _, rate in spec["points"] if rate is not None] + [spec["target"] or 0]
    low = max(0, (min(rates, default=0) - 8) // 20 * 20)
    high = max(100, max(rates, default=0))
    x = alt.X("day:T", axis=_x_axis(spec), scale=alt.Scale(domain=[spec["from"], spec["until"]]))
    y = alt.Y("rate:Q", axis=_y_axis(low, high), scale=alt.Scale(domain=[low, high]))
    layers = [alt.Chart(alt.InlineData(values=points)).mark_line(color=LINE, strokeWidth=2).encode(x, y)]
    if spec["target"] is not None:
        end = [{"day": spec["from"], "rate": spec["target"], "text": spec["target_label"]}]
        base = alt.Chart(alt.InlineData(values=end))
        layers.append(base.mark_rule(color=INK, strokeWidth=1.4).encode(y=y))
        layers.append(base.mark_text(align="left", dx=4, color=INK, fontWeight=600, **LABEL).encode(x, y, text="text:N"))
    if spec["forecast"]:
        ahead = [{"day": day, "rate": rate} for day, rate in spec["forecast"]]
        layers.append(alt.Chart(alt.InlineData(values=ahead)).mark_line(color=LINE, strokeWidth=2, strokeDash=[2, 4]).encode(x, y))
        last = [{"day": spec["until"], "rate": spec["target"], "text": spec["forecast_label"]}]
        layers.append(
            alt.Chart(alt.InlineData(values=last)).mark_text(align="right", dx=-4, color=QUIET, **LABEL).encode(x, y, text="text:N")
        )
    if points and points[-1]["rate"] is not None:
        layers.append(alt.Chart(alt.InlineData(values=points[-1:])).mark_point(color=LINE, filled=True, size=50, opacity=1).encode(x, y))
    drawn: alt.LayerChart = (
        alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, background="white", padding=4).configure_view(stroke=None)
    )
    return drawn


def survival(spec: dict[str, Any]) -> alt.LayerChart:
    """The share still waiting: `steps` are [[day, percent]] from day 0 on, `median` is a day or None, the labels are text."""
    points = [{"day": day, "share": share} for day, share in spec["steps"]]
    words: dict[str, Any] = {
        "labelColor": QUIET,
        "labelFont": FONT,
        "labelFontSize": 11,
        "titleColor": QUIET,
        "titleFont": FONT,
        "titleFontSize": 11,
    }
    plain: dict[str, Any] = {**words, "domain": False, "ticks": False, "titleFontWeight": 400}
    last = max(points[-1]["day"], 1)
    x = alt.X(
        "day:Q", axis=alt.Axis(title=spec["x_title"], grid=False, tickCount=6, **plain), scale=alt.Scale(domain=[0, last], nice=False)
    )
    y = alt.Y("share:Q", axis=alt.Axis(values=[0, 50, 100], title=None, gridColor=RULE, **plain), scale=alt.Scale(domain=[0, 100]))
    line = alt.Chart(alt.InlineData(values=points)).mark_line(color=LINE, strokeWidth=2, interpolate="step-after").encode(x, y)
    layers = [line]
    if spec["median"] is not None:
        half = alt.Chart(alt.InlineData(values=[{"day": spec["median"], "share": 50, "text": spec["median_label"]}]))
        right = spec["median"] > last * 0.6
        layers.append(half.mark_point(color=LINE, filled=True, size=50, opacity=1).encode(x, y))
        position: dict[str, Any] = {"align": "right" if right else "left", "dx": -6 if right else 6}
        layers.append(half.mark_text(color=INK, **LABEL, **position).encode(x, y, text="text:N"))
    drawn: alt.LayerChart = (
        alt.layer(*layers).properties(width=WIDTH, height=LOW, background="white", padding=4).configure_view(stroke=None)
    )
    return drawn


def _x_axis(spec: dict[str, Any]) -> alt.Axis:
    return alt.Axis(
        values=spec["ticks"], format="%Y-%m", title=None, grid=False, domain=False, ticks=False, labelColor=QUIET, labelFont=FONT, labelFontSize=11, labelPadding=8
    )  # fmt: skip


def _y_axis(low: float, high: float) -> alt.Axis:
    ticks = [tick for tick in range(0, int(high) + 1, 20) if tick >= low]
    return alt.Axis(
        values=ticks, title=None, domain=False, ticks=False, gridColor=RULE, labelColor=QUIET, labelFont=FONT, labelFontSize=11, labelPadding=6
    )  # fmt: skip


def main() -> None:
    """Draw a chart for each line of stdin."""
    for line in sys.stdin:
        try:
            spec = json.loads(line)
            draw = survival if "steps" in spec else trend
            answer = {"svg": vl_convert.vegalite_to_svg(draw(spec).to_dict())}
        except Exception as error:
            answer = {"error": type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
