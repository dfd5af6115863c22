"""The parts of a report, independent of the output format; `report.json` has the same fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from moagraph.evals.bootstrap import Interval


@dataclass(frozen=True)
class Bar:
    """One value with its interval; `own` is false for a published value."""

    label: str
    value: float
    interval: Interval | None = None
    own: bool = True


@dataclass(frozen=True)
class BarChart:
    """Values with one unit."""

    title: str
    unit: str
    bars: Sequence[Bar]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """The cost and the quality of a system."""

    label: str
    x: float
    y: float
    interval: Interval | None = None


@dataclass(frozen=True)
class ParetoPlot:
    """Quality over cost, with the Pareto front."""

    title: str
    x_name: str
    y_name: str
    points: Sequence[Point]
    note: str = ""

    @property
    def front(self) -> list[Point]:
        """The points that are better than every point at most as expensive, cheapest first."""
        best: list[Point] = []
        for point in sorted(self.points, key=lambda point: (point.x, -point.y)):
            if not best or point.y > best[-1].y:
                best.append(point)
        return best


@dataclass(frozen=True)
class Table:
    """Rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Statement:
    """A text and its author; `failed` marks a seat or step without a usable answer."""

    who: str
    text: str
    failed: bool = False


@dataclass(frozen=True)
class WorstCase:
    """A question with a low score: two systems' answers, the judge's texts and every layer."""

    title: str
    question: str
    answers: Sequence[Statement]
    judge: Sequence[Statement]
    layers: Sequence[Sequence[Statement]]


Block: TypeAlias = BarChart | ParetoPlot | Table | WorstCase


@dataclass(frozen=True)
class Section:
    """Blocks under one heading."""

    title: str
    blocks: Sequence[Block]
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class RunReport:
    """A whole report."""

    title: str
    about: str
    sections: Sequence[Section]
    notes: Sequence[str] = field(default=())


def format_number(value: float | None, digits: int = 2) -> str:
    """Format a number for a table; None becomes a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def format_interval(interval: Interval | None, digits: int = 1) -> str:
    """Format an interval for a table; None becomes a dash."""
    return "-" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"
