"""The scales of a chart: they map values to coordinates and choose the ticks."""

import math

ROUND_STEPS = (1, 2, 2.5, 5, 10)


class LinearScale:
    """A linear scale."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Map the values from `low` to `high` to the coordinates from `start` to `end`."""
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.end = start, end

    def position(self, value: float) -> float:
        """Return the coordinate of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return four to eight round values."""
        rough = (self.high - self.low) / 5
        magnitude = 10.0 ** math.floor(math.log10(rough))
        steps = (factor * magnitude for factor in ROUND_STEPS)
        step = next(step for step in steps if step >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


class LogScale(LinearScale):
    """A logarithmic scale for values that span several magnitudes."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Map the values from `low` to `high`, both above 0, to `start` to `end`."""
        super().__init__(math.log10(low), math.log10(high), start, end)

    def position(self, value: float) -> float:
        """Return the coordinate of a value."""
        return super().position(math.log10(value))

    def ticks(self) -> list[float]:
        """Return 1, 2 and 5 of each magnitude."""
        magnitudes = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [factor * 10.0**magnitude for magnitude in magnitudes for factor in (1, 2, 5)]
        return [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]
