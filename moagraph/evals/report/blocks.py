"""What a report is made of, whatever it is written as."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from moagraph.evals.bootstrap import Interval


@dataclass(frozen=True)
class Bar:
    """One value with its interval; `own` tells a run's from what others have published."""

    label: str
    value: float
    interval: Interval | None = None
    own: bool = True


@dataclass(frozen=True)
class Bars:
    """Values beside each other."""

    title: str
    unit: str
    bars: Sequence[Bar]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """A system at what it takes and how good it is."""

    label: str
    x: float
    y: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Pareto:
    """Quality over what it takes, with the line of those that nothing beats in both."""

    title: str
    x_name: str
    y_name: str
    points: Sequence[Point]
    note: str = ""

    @property
    def front(self) -> list[Point]:
        """The points that no other beats: none is as cheap and better."""
        best: list[Point] = []
        for point in sorted(self.points, key=lambda one: (one.x, -one.y)):
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
class Said:
    """A text and who said it."""

    who: str
    text: str
    failed: bool = False


@dataclass(frozen=True)
class Case:
    """A question that went badly: the answer, another's beside it, the judge, and every layer."""

    title: str
    question: str
    answers: Sequence[Said]
    judge: Sequence[Said]
    layers: Sequence[Sequence[Said]]


@dataclass(frozen=True)
class Section:
    """Blocks under one heading."""

    title: str
    blocks: Sequence[Bars | Pareto | Table | Case]
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Report:
    """The whole."""

    title: str
    about: str
    sections: Sequence[Section]
    notes: Sequence[str] = field(default=())


def number(value: float | None, digits: int = 2) -> str:
    """A number as a table has it; a dash where it is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def between(interval: Interval | None, digits: int = 1) -> str:
    """An interval as a table has it."""
    return "-" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"
