"""The `mixture` graph of Studio: an assistant's context describes the recipe in a form."""

from functools import cache
from typing import Any

from pydantic import Field, field_validator

from moagraph.graphs.recipe.load import SHIPPED as SHIPPED_RECIPES
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe, with_review
from moagraph.nodes.context import Context
from moagraph.nodes.models.address import split

SHIPPED = sorted(file.stem for file in SHIPPED_RECIPES.glob("*.toml"))


class Mixture(Context):
    """Which models propose and which one answers; what is not set is as the recipe has it."""

    recipe: str = Field(
        "local",
        description="The recipe to run, unless you list proposers of your own.",
        json_schema_extra={"enum": [*SHIPPED]},
    )
    proposers: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="Models of your own, each as provider:model; none runs the recipe as it is.",
        examples=[["openai:gpt-4o-mini", "together:openai/gpt-oss-120b"]],
    )
    samples: int = Field(1, ge=1, le=8, description="How often each of your proposers is asked.")
    layers: int = Field(
        1, ge=1, le=4, description="Layers of your proposers; each reads what the one before said."
    )
    proposer_temperature: float = Field(
        0.7, ge=0, le=2, description="How lively your proposers are; 0 is steady."
    )
    aggregator: str = Field(
        "",
        description="The model that writes the answer, as provider:model; "
        "left empty it is the recipe's, or the first of your proposers.",
    )
    review: bool = Field(
        False,
        description="Pause behind each layer, so that you can edit, drop or add answers.",
    )

    @field_validator("recipe")
    @classmethod
    def _ships(cls, name: str) -> str:
        if name not in SHIPPED:
            raise ValueError(f"no such recipe; there are {', '.join(SHIPPED)}")
        return name

    @field_validator("proposers")
    @classmethod
    def _named(cls, models: list[str]) -> list[str]:
        for model in models:
            split(model)
        return models

    @field_validator("aggregator")
    @classmethod
    def _named_or_none(cls, model: str) -> str:
        if model:
            split(model)
        return model

    @property
    def shape(self) -> str:
        """What the graph is built from, as JSON; the other fields are for the last step."""
        return self.model_dump_json(exclude=set(Context.model_fields))


def parse_mixture(configurable: dict[str, Any]) -> Mixture:
    """Return the form's fields of an assistant's configuration; the server adds keys of its own."""
    return Mixture(
        **{key: configurable[key] for key in Mixture.model_fields if key in configurable}
    )


def mixture_recipe(mixture: Mixture) -> Recipe:
    """Return the recipe that the form describes."""
    resolved = (
        _own_recipe(mixture) if mixture.proposers else load_shipped(mixture.recipe).resolved()
    )
    if mixture.aggregator:
        resolved["layers"][-1]["aggregate"][-1]["model"] = mixture.aggregator
    recipe = Recipe.model_validate(resolved)
    return with_review(recipe, range(1, len(recipe.layers) + 1)) if mixture.review else recipe


@cache
def load_shipped(name: str) -> Recipe:
    """Return the shipped recipe of that name, whatever the data folder has."""
    return load_recipe(SHIPPED_RECIPES / f"{name}.toml")


def _own_recipe(mixture: Mixture) -> dict[str, Any]:
    seats = [
        {"model": model, "count": mixture.samples, "temperature": mixture.proposer_temperature}
        for model in mixture.proposers
    ]
    layers: list[dict[str, Any]] = [{"proposers": seats} for _ in range(mixture.layers)]
    layers[-1]["aggregate"] = [{"step": "synthesize", "model": mixture.proposers[0]}]
    return {"name": "mixture", "layers": layers}
