"""Fits a recipe's learned router to rows from earlier cascades or from a file of scores."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
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

MIN_QUESTIONS, MIN_ROWS_PER_ROUTE = 20, 5
FOLDS = 5


@dataclass(frozen=True)
class ScoredRoute:
    """A route's score on a question; all scores share one scale, such as 0 to 1."""

    question: str
    route: str
    score: float


@dataclass(frozen=True)
class RouterEvaluation:
    """The cross-validated mean scores of a router and of its alternatives.

    `learned` is the router's, `dearest` and `cheapest` those of the most expensive and the
    cheapest route alone. `mix` sends the same share of questions to the most expensive route as
    the router does, but at random, and the others to the cheapest.
    """

    questions: int
    learned: float
    dearest: float
    cheapest: float
    mix: float
    share: float  # of the questions that the router sends to the most expensive route

    def as_json(self) -> Json:
        """Return the fields of `moa route fit --json`."""
        return asdict(self)


def learned_routes(recipe: Recipe) -> tuple[list[str], float]:
    """Return the names of the recipe's routes, the cheapest first, and its slack.

    Raises:
        UsageError: The recipe has no learned route.
    """
    step = next((step for step in recipe.before if isinstance(step, Route)), None)
    if step is None or step.by != "learned":
        raise UsageError(
            f"`{recipe.name}` has no learned route: add "
            '{ step = "route", by = "learned" } to `before`'
        )
    return routes(recipe.resolved()), step.slack


def rows_from_turns(turns: Iterable[Json], names: Sequence[str]) -> list[ScoredRoute]:
    """Convert turns of cascades to rows.

    The stage that ended a cascade and every later stage score 1; the earlier ones score 0. Turns
    without a gate, and cascades whose stages do not match the routes, are ignored.

    Args:
        turns: The state values of answered turns.
        names: The routes, the cheapest first.
    """
    rows = []
    for turn in turns:
        recipe = recipe_from_state(turn["recipe"], read_prompts=False)
        has_gate = any(step.may_end_turn for layer in recipe.layers for step in layer.aggregate)
        if not has_gate or len(recipe.layers) not in (2, len(names)):
            continue
        stages = names if len(names) == len(recipe.layers) else [names[0], names[-1]]
        ended = early_end(recipe, turn["steps"])
        last = ended[0] if ended else len(recipe.layers)
        question = question_of(turn)
        rows += [
            ScoredRoute(question, name, float(number >= last))
            for number, name in enumerate(stages, 1)
        ]
    return rows


def read_rows(name: str, names: Sequence[str]) -> list[ScoredRoute]:
    """Read rows from a file of JSON lines: `{"question": …, "route": …, "score": …}`.

    Args:
        name: The path of the file.
        names: The routes that a row may name.
    """
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {name!r}: {reason}") from error
    return [
        _parse_row(f"{name}:{number}", line, names)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _parse_row(position: str, line: str, names: Sequence[str]) -> ScoredRoute:
    try:
        fields = json.loads(line)
        row = ScoredRoute(str(fields["question"]), str(fields["route"]), float(fields["score"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{position}: a row is {{"question": …, "route": …, "score": a number}} ({error!r})'
        ) from error
    if row.route not in names:
        raise UsageError(f"{position}: the route {row.route!r} is none of {', '.join(names)}")
    return row


def fit_router(
    rows: Sequence[ScoredRoute], names: Sequence[str], slack: float
) -> tuple[Router, RouterEvaluation]:
    """Fit a router to all rows, and evaluate it by cross-validation.

    Args:
        rows: Scores of routes on questions.
        names: The routes, the cheapest first.
        slack: How far the chosen route's expected score may be below the best.
    """
    _check_rows(rows, names)
    vectors = {question: features(question) for question in {row.question for row in rows}}
    samples = [(vectors[row.question], row.route, row.score) for row in rows]
    return fitted(names, samples), _evaluate(rows, vectors, names, slack)


def _check_rows(rows: Sequence[ScoredRoute], names: Sequence[str]) -> None:
    questions = {row.question for row in rows}
    rare = [name for name in names if sum(row.route == name for row in rows) < MIN_ROWS_PER_ROUTE]
    if len(questions) >= MIN_QUESTIONS and not rare:
        return
    per_route = (
        f", and {MIN_ROWS_PER_ROUTE} for each route (too few for {', '.join(rare)})" if rare else ""
    )
    raise UsageError(
        f"there are rows for {len(questions)} questions; fitting a route needs "
        f"{MIN_QUESTIONS}{per_route}: run a cascade with as many stages, or give --from FILE"
    )


def _evaluate(
    rows: Sequence[ScoredRoute], vectors: Mapping[str, Vector], names: Sequence[str], slack: float
) -> RouterEvaluation:
    """Route each question by a router that was fitted without it, among the routes with a score."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        scores.setdefault(row.question, {})[row.route] = row.score
    choices = _cross_validated_choices(rows, scores, vectors, names, slack)
    if not choices:
        raise UsageError(
            f"no question has a score for both `{names[0]}` and `{names[-1]}`: "
            "the route cannot be evaluated"
        )
    share = mean(route == names[-1] for route in choices.values())
    dearest, cheapest = (
        _mean_score(scores, dict.fromkeys(choices, name)) for name in (names[-1], names[0])
    )
    mix = share * dearest + (1 - share) * cheapest
    learned = _mean_score(scores, choices)
    return RouterEvaluation(len(choices), learned, dearest, cheapest, mix, share)


def _cross_validated_choices(
    rows: Sequence[ScoredRoute],
    scores: Mapping[str, Mapping[str, float]],
    vectors: Mapping[str, Vector],
    names: Sequence[str],
    slack: float,
) -> dict[str, str]:
    """Return the chosen route of each question with scores for the outermost routes."""
    order = [
        question for question in sorted(scores) if {names[0], names[-1]} <= {*scores[question]}
    ]
    random.Random(0).shuffle(order)
    choices: dict[str, str] = {}
    for fold in range(FOLDS):
        test = set(order[fold::FOLDS])
        training = [
            (vectors[row.question], row.route, row.score)
            for row in rows
            if row.question not in test
        ]
        if {route for _, route, _ in training} < set(names):
            continue
        router = fitted(names, training)
        for question in test:
            expected = router.guesses(question)
            scored = {name: expected[name] for name in names if name in scores[question]}
            choices[question] = within(scored, slack)
    return choices


def _mean_score(scores: Mapping[str, Mapping[str, float]], choices: Mapping[str, str]) -> float:
    return mean(scores[question][route] for question, route in choices.items())
