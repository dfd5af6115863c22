"""What `moa route fit` has learned: for each route a linear guess of how well it will answer."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from moagraph.nodes.errors import UsageError
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.nodes.texts.hashed_features import Vector, shape_features, text_vector

EPOCHS, RATE, DECAY = 12, 0.3, 1e-4


@dataclass(frozen=True)
class Router:
    """The routes, the cheapest first, and how each place of a question weighs for each."""

    routes: list[str]
    weights: dict[str, dict[str, float]]

    def guesses(self, text: str) -> dict[str, float]:
        """How well each route is expected to answer."""
        seen = features(text)
        return {
            route: sum(value * self.weights[route].get(str(p), 0.0) for p, value in seen.items())
            for route in self.routes
        }


def features(text: str) -> Vector:
    """What a guess goes by."""
    return text_vector(text) | shape_features(text)


def within(guesses: Mapping[str, float], slack: float) -> str:
    """The cheapest route whose guess is no more than the slack below the best."""
    best = max(guesses.values())
    return next(route for route, guess in guesses.items() if guess >= best - slack)


def fitted(routes: Sequence[str], rows: Sequence[tuple[Vector, str, float]]) -> Router:
    """Learn each route's weights from what was seen, which route answered, and how well."""
    weights = {}
    for route in routes:
        own = [(seen, score) for seen, by, score in rows if by == route]
        weights[route] = {str(p): round(value, 5) for p, value in _linear(own).items()}
    return Router([*routes], weights)


def _linear(rows: Sequence[tuple[Vector, float]]) -> Vector:
    """Least squares by small steps, around the mean, which the last place of a shape carries."""
    mean = sum(score for _, score in rows) / len(rows)
    constant = max(shape_features("x"))
    weights: Vector = {constant: mean}
    order, chance = list(rows), random.Random(0)
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        rate = RATE / (1 + epoch)
        for seen, score in order:
            miss = score - sum(value * weights.get(place, 0.0) for place, value in seen.items())
            for place, value in seen.items():
                held = weights.get(place, 0.0) * (1 - rate * DECAY)
                weights[place] = held + rate * miss * value / 2
    return weights


def kept_in(name: str) -> Path:
    """Where the router of that recipe is kept."""
    return data_folder() / "routes" / f"{name}.json"


def keep(name: str, router: Router) -> Path:
    """Keep it for this user only, in place of the one before."""
    file = kept_in(name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(router)), encoding="utf-8")
    new.replace(file)
    return file


def load(name: str) -> Router:
    """The router of that recipe; refused where none was fitted."""
    file = kept_in(name)
    try:
        return Router(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(
            f"the route of `{name}` is not fitted yet: run `moa route fit {name}` first"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"cannot use {str(file)!r}: run `moa route fit {name}` anew") from error
