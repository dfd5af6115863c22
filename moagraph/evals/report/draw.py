"""Plots as SVG that follows the page's colours: bars with intervals, and quality over cost."""

import math
from collections.abc import Iterator, Sequence

from moagraph.evals.report.blocks import Bars, Pareto, Point
from moagraph.evals.report.safe import safe

WIDTH, ROW, LEFT, RIGHT = 720, 26, 250, 64
HEIGHT, EDGE = 320, 56
LONGEST = 34  # letters of a label beside a bar
WIDE = 20  # times the cheapest, from where on costs are drawn by magnitudes
STEPS = (1, 2, 2.5, 5, 10)


def bars(block: Bars) -> str:
    """Horizontal bars from zero, the interval as a line across each end."""
    ends = [end for one in block.bars for end in (one.value, *(one.interval or ()))]
    scale = Scale(min([0.0, *ends]), max([0.0, *ends]), LEFT, WIDTH - RIGHT)
    height = ROW * len(block.bars) + 34
    parts = [*_columns(scale, height - 26)]
    for number, one in enumerate(block.bars):
        y = 6 + ROW * number
        start, end = sorted((scale.at(0), scale.at(one.value)))
        kind = "own" if one.own else "published"
        parts.append(
            f'<g class="{kind}"><title>{safe(one.label)}: {one.value:.4g}</title>'
            f'<text class="label" x="{LEFT - 8}" y="{y + 14}">{safe(_short(one.label))}</text>'
            f'<rect x="{start:.1f}" y="{y + 2}" width="{end - start:.1f}" height="{ROW - 10}"/>'
        )
        if one.interval:
            parts.append(_across(scale.at(one.interval[0]), scale.at(one.interval[1]), y + 10))
        parts.append(f'<text class="value" x="{WIDTH - 4}" y="{y + 14}">{one.value:.3g}</text></g>')
    return _svg(height, f"{block.title}, {block.unit}", parts)


def pareto(block: Pareto) -> str:
    """Points with their intervals, and steps along those that nothing beats."""
    xs = [point.x for point in block.points]
    ys = [end for point in block.points for end in (point.y, *(point.interval or ()))]
    across = _across_of(xs)
    room = (max(ys) - min(ys)) * 0.08 or 1.0
    up = Scale(min(ys) - room, max(ys) + room, HEIGHT - EDGE, 16)
    parts = [*_grid(across, up)]
    front = block.front
    steps = " ".join(_steps(front, across, up))
    parts.append(f'<polyline class="front" points="{steps}"/>')
    for point, y in zip(block.points, _apart(block.points, up), strict=True):
        parts.append(_point(point, across.at(point.x), up, y, point in front))
    middle = (EDGE + WIDTH - EDGE) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 8}">{safe(block.x_name)}</text>')
    return _svg(HEIGHT, block.title, parts)


class Scale:
    """Where a value lies on the drawing."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Values from `low` to `high` lie between `start` and `end`."""
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        """The place of a value."""
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def marks(self) -> list[float]:
        """Four to eight round values."""
        rough = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(one * size for one in STEPS if one * size >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


class LogScale(Scale):
    """The same for values that span magnitudes."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Both are above 0."""
        super().__init__(math.log10(low), math.log10(high), start, end)

    def at(self, value: float) -> float:
        """The place of a value."""
        return super().at(math.log10(value))

    def marks(self) -> list[float]:
        """1, 2 and 5 of each magnitude."""
        sizes = range(math.floor(self.low), math.ceil(self.high) + 1)
        marks = [one * 10.0**size for size in sizes for one in (1, 2, 5)]
        return [mark for mark in marks if self.low <= math.log10(mark) <= self.high]


def _across_of(xs: Sequence[float]) -> Scale:
    """From 0, or by magnitudes where the dearest is many times the cheapest."""
    low, high = min(xs), max(xs)
    if low > 0 and high > WIDE * low:
        return LogScale(low / 1.3, high * 1.3, EDGE, WIDTH - EDGE)
    return Scale(0.0, 1.05 * high or 1.0, EDGE, WIDTH - EDGE)


def _columns(scale: Scale, bottom: float) -> Iterator[str]:
    for mark in scale.marks():
        x = scale.at(mark)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 16}">{mark:.4g}</text>'


def _grid(across: Scale, up: Scale) -> Iterator[str]:
    for mark in up.marks():
        y = up.at(mark)
        yield f'<line class="grid" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="label" x="{EDGE - 8}" y="{y + 4:.1f}">{mark:.4g}</text>'
    for mark in across.marks():
        x, y = across.at(mark), HEIGHT - EDGE + 20
        yield f'<text class="tick" x="{x:.1f}" y="{y}">{mark:.4g}</text>'


def _steps(front: Sequence[Point], across: Scale, up: Scale) -> Iterator[str]:
    before = None
    for point in front:
        x, y = across.at(point.x), up.at(point.y)
        if before is not None:
            yield f"{x:.1f},{before:.1f}"
        yield f"{x:.1f},{y:.1f}"
        before = y


def _apart(points: Sequence[Point], up: Scale) -> list[float]:
    """Where each label stands, so that none covers another."""
    order = sorted(range(len(points)), key=lambda number: up.at(points[number].y))
    places = [0.0] * len(points)
    last = -math.inf
    for number in order:
        last = max(up.at(points[number].y) - 7, last + 15)
        places[number] = last
    over = max(0.0, last - (HEIGHT - EDGE))
    return [place - over for place in places]


def _point(point: Point, x: float, up: Scale, label: float, front: bool) -> str:
    y, left = up.at(point.y), x > WIDTH * 0.6
    side, anchor = (x - 10, "end") if left else (x + 10, "start")
    line = ""
    if point.interval:
        low, high = (up.at(end) for end in point.interval)
        line = f'<line class="range" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
    return (
        f'<g class="{"best" if front else "beaten"}"><title>{safe(point.label)}: '
        f"{point.x:.4g}, {point.y:.4g}</title>{line}"
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        f'<text x="{side:.1f}" y="{label:.1f}" text-anchor="{anchor}">{safe(_short(point.label))}'
        "</text></g>"
    )


def _across(low: float, high: float, y: float) -> str:
    ends = "".join(f"M{x:.1f} {y - 4}v8" for x in (low, high))
    return f'<path class="range" d="M{low:.1f} {y}H{high:.1f}{ends}"/>'


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"…{label[-LONGEST + 1 :]}"


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{safe(title)}">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
