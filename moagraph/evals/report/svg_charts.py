"""Draws bar charts and Pareto plots as SVG, in the colours of the page's style sheet."""

import math
from collections.abc import Iterator, Sequence

from moagraph.evals.report.blocks import BarChart, ParetoPlot, Point
from moagraph.evals.report.escape import escape_text
from moagraph.evals.report.svg_scales import LinearScale, LogScale

WIDTH, ROW, LEFT_MARGIN, RIGHT_MARGIN = 720, 26, 250, 64
HEIGHT, EDGE = 320, 56
MAX_LABEL = 34  # characters
LOG_SCALE_RATIO = 20  # of the highest to the lowest cost


def draw_bar_chart(chart: BarChart) -> str:
    """Draw horizontal bars from zero, each with its interval as a line."""
    ends = [end for bar in chart.bars for end in (bar.value, *(bar.interval or ()))]
    scale = LinearScale(min([0.0, *ends]), max([0.0, *ends]), LEFT_MARGIN, WIDTH - RIGHT_MARGIN)
    height = ROW * len(chart.bars) + 34
    parts = [*_vertical_grid(scale, height - 26)]
    for number, bar in enumerate(chart.bars):
        y = 6 + ROW * number
        start, end = sorted((scale.position(0), scale.position(bar.value)))
        kind = "own" if bar.own else "published"
        label = escape_text(_shortened(bar.label))
        parts.append(
            f'<g class="{kind}"><title>{escape_text(bar.label)}: {bar.value:.4g}</title>'
            f'<text class="label" x="{LEFT_MARGIN - 8}" y="{y + 14}">{label}</text>'
            f'<rect x="{start:.1f}" y="{y + 2}" width="{end - start:.1f}" height="{ROW - 10}"/>'
        )
        if bar.interval:
            low, high = (scale.position(value) for value in bar.interval)
            parts.append(_horizontal_range(low, high, y + 10))
        parts.append(f'<text class="value" x="{WIDTH - 4}" y="{y + 14}">{bar.value:.3g}</text></g>')
    return _svg(height, f"{chart.title}, {chart.unit}", parts)


def draw_pareto_plot(plot: ParetoPlot) -> str:
    """Draw the points with their intervals, and the Pareto front as a step line."""
    values = [end for point in plot.points for end in (point.y, *(point.interval or ()))]
    x_scale = _cost_scale([point.x for point in plot.points])
    padding = (max(values) - min(values)) * 0.08 or 1.0
    y_scale = LinearScale(min(values) - padding, max(values) + padding, HEIGHT - EDGE, 16)
    parts = [*_grid(x_scale, y_scale)]
    front = plot.front
    steps = " ".join(_front_corners(front, x_scale, y_scale))
    parts.append(f'<polyline class="front" points="{steps}"/>')
    for point, label_y in zip(plot.points, _label_positions(plot.points, y_scale), strict=True):
        parts.append(_point(point, x_scale.position(point.x), y_scale, label_y, point in front))
    middle = (EDGE + WIDTH - EDGE) / 2
    name = escape_text(plot.x_name)
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 8}">{name}</text>')
    return _svg(HEIGHT, plot.title, parts)


def _cost_scale(costs: Sequence[float]) -> LinearScale:
    low, high = min(costs), max(costs)
    if low > 0 and high > LOG_SCALE_RATIO * low:
        return LogScale(low / 1.3, high * 1.3, EDGE, WIDTH - EDGE)
    return LinearScale(0.0, 1.05 * high or 1.0, EDGE, WIDTH - EDGE)


def _vertical_grid(scale: LinearScale, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x = scale.position(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 16}">{tick:.4g}</text>'


def _grid(x_scale: LinearScale, y_scale: LinearScale) -> Iterator[str]:
    for tick in y_scale.ticks():
        y = y_scale.position(tick)
        yield f'<line class="grid" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="label" x="{EDGE - 8}" y="{y + 4:.1f}">{tick:.4g}</text>'
    for tick in x_scale.ticks():
        x, y = x_scale.position(tick), HEIGHT - EDGE + 20
        yield f'<text class="tick" x="{x:.1f}" y="{y}">{tick:.4g}</text>'


def _front_corners(
    front: Sequence[Point], x_scale: LinearScale, y_scale: LinearScale
) -> Iterator[str]:
    previous_y = None
    for point in front:
        x, y = x_scale.position(point.x), y_scale.position(point.y)
        if previous_y is not None:
            yield f"{x:.1f},{previous_y:.1f}"
        yield f"{x:.1f},{y:.1f}"
        previous_y = y


def _label_positions(points: Sequence[Point], y_scale: LinearScale) -> list[float]:
    """Return a y position for each label so that no two labels overlap."""
    order = sorted(range(len(points)), key=lambda number: y_scale.position(points[number].y))
    positions = [0.0] * len(points)
    last = -math.inf
    for number in order:
        last = max(y_scale.position(points[number].y) - 7, last + 15)
        positions[number] = last
    overflow = max(0.0, last - (HEIGHT - EDGE))
    return [position - overflow for position in positions]


def _point(point: Point, x: float, y_scale: LinearScale, label_y: float, in_front: bool) -> str:
    y = y_scale.position(point.y)
    label_x, anchor = (x - 10, "end") if x > WIDTH * 0.6 else (x + 10, "start")
    line = ""
    if point.interval:
        low, high = (y_scale.position(end) for end in point.interval)
        line = f'<line class="range" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
    return (
        f'<g class="{"best" if in_front else "dominated"}"><title>{escape_text(point.label)}: '
        f"{point.x:.4g}, {point.y:.4g}</title>{line}"
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        f'<text x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="{anchor}">'
        f"{escape_text(_shortened(point.label))}</text></g>"
    )


def _horizontal_range(low: float, high: float, y: float) -> str:
    ends = "".join(f"M{x:.1f} {y - 4}v8" for x in (low, high))
    return f'<path class="range" d="M{low:.1f} {y}H{high:.1f}{ends}"/>'


def _shortened(label: str) -> str:
    return label if len(label) <= MAX_LABEL else f"…{label[-MAX_LABEL + 1 :]}"


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape_text(title)}">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
