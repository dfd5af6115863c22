"""Learn a recipe's route from what was answered before: from cascades, and from scored results."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from statistics import mean

from moagraph.graphs.compile.layout import early_end
from moagraph.graphs.recipe.load import recipe_from_state
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.learned_route import Router, features, fitted, within
from moagraph.nodes.steps.route import Route, routes
from moagraph.nodes.texts.hashed_features import Vector
from moagraph.threads.snapshot import question_of

LEAST_QUESTIONS, LEAST_ROWS = 20, 5
FOLDS = 5


@dataclass(frozen=True)
class Row:
    """How well a route has answered a question, from 0 to 1 or on any one scale."""

    question: str
    route: str
    score: float


@dataclass(frozen=True)
class Accuracy:
    """What the learned route is worth on questions that it was not fitted on.

    `mix` sends as many questions to the dearest route, but by chance, and the rest to the cheapest.
    """

    questions: int
    learned: float
    dearest: float
    cheapest: float
    mix: float
    share: float  # of questions that the learned route sends to the dearest

    def as_json(self) -> Json:
        """As `--json` prints it."""
        return asdict(self)


def names_of(recipe: Recipe) -> tuple[list[str], float]:
    """The recipe's routes, the cheapest first, and its slack; refused where it learns none."""
    step = next((step for step in recipe.before if isinstance(step, Route)), None)
    if step is None or step.by != "learned":
        raise UsageError(
            f'`{recipe.name}` learns no route: it has no {{ step = "route", by = "learned" }} '
            "in `before`"
        )
    return routes(recipe.resolved()), step.slack


def from_turns(turns: Iterable[Json], names: Sequence[str]) -> list[Row]:
    """What cascades tell: a stage that settled a question would be enough, and so any later one."""
    rows = []
    for turn in turns:
        recipe = recipe_from_state(turn["recipe"])
        gated = any(step.may_end_turn for layer in recipe.layers for step in layer.aggregate)
        if not gated or len(recipe.layers) not in (2, len(names)):
            continue
        stages = names if len(names) == len(recipe.layers) else [names[0], names[-1]]
        ended = early_end(recipe, turn["steps"])
        end = ended[0] if ended else len(recipe.layers)
        asked = question_of(turn)
        rows += [Row(asked, name, float(n >= end)) for n, name in enumerate(stages, 1)]
    return rows


def from_file(name: str, names: Sequence[str]) -> list[Row]:
    """Rows of JSON: `{"question": …, "route": …, "score": …}`, a line each."""
    rows = []
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {name!r}: {why}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(_row(f"{name}:{number}", line, names))
    return rows


def _row(where: str, line: str, names: Sequence[str]) -> Row:
    try:
        said = json.loads(line)
        row = Row(str(said["question"]), str(said["route"]), float(said["score"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{where}: a row is {{"question": …, "route": …, "score": a number}} ({error!r})'
        ) from error
    if row.route not in names:
        raise UsageError(f"{where}: the route {row.route!r} is none of {', '.join(names)}")
    return row


def learn(rows: Sequence[Row], names: Sequence[str], slack: float) -> tuple[Router, Accuracy]:
    """The router fitted on all rows, and what it is worth by cross-validation."""
    questions = sorted({row.question for row in rows})
    short = [name for name in names if sum(row.route == name for row in rows) < LEAST_ROWS]
    if len(questions) < LEAST_QUESTIONS or short:
        lack = (
            f", and {LEAST_ROWS} for each route (too few for {', '.join(short)})" if short else ""
        )
        raise UsageError(
            f"there are rows for {len(questions)} questions; to learn a route takes "
            f"{LEAST_QUESTIONS}{lack}: run a cascade of as many stages, or give --from FILE"
        )
    seen = {question: features(question) for question in questions}
    told = [(seen[row.question], row.route, row.score) for row in rows]
    return fitted(names, told), _accuracy(rows, seen, names, slack)


def _accuracy(
    rows: Sequence[Row], seen: Mapping[str, Vector], names: Sequence[str], slack: float
) -> Accuracy:
    """Each question is routed by what was learned without it; only known scores count."""
    by = attrgetter("question")
    known = {
        question: {row.route: row.score for row in own}
        for question, own in groupby(sorted(rows, key=by), key=by)
    }
    order = [question for question in known if {names[0], names[-1]} <= known[question].keys()]
    random.Random(0).shuffle(order)
    chosen: dict[str, str] = {}
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS])
        told = [(seen[r.question], r.route, r.score) for r in rows if r.question not in held]
        if {route for _, route, _ in told} < set(names):
            continue
        router = fitted(names, told)
        for question in held:
            guesses = router.guesses(question)
            chosen[question] = within({n: guesses[n] for n in names if n in known[question]}, slack)
    if not chosen:
        raise UsageError(
            f"no question has a score for both `{names[0]}` and `{names[-1]}`: "
            "what a route is worth could not be told"
        )
    share = mean(route == names[-1] for route in chosen.values())
    score = _mean(known, chosen)
    dearest, cheapest = (_mean(known, dict.fromkeys(chosen, n)) for n in (names[-1], names[0]))
    mix = share * dearest + (1 - share) * cheapest
    return Accuracy(len(chosen), score, dearest, cheapest, mix, share)


def _mean(known: Mapping[str, Mapping[str, float]], chosen: Mapping[str, str]) -> float:
    return mean(known[question][route] for question, route in chosen.items())
