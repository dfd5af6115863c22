"""A mixture that is put together in a form: the assistant's context says what a recipe would."""

from functools import cache
from typing import Any

from pydantic import Field, field_validator

from moagraph.graphs.recipe.load import HERE, load_recipe
from moagraph.graphs.recipe.schema import Recipe, reviewed
from moagraph.nodes.models.address import split
from moagraph.nodes.context import Context

SHIPPED = sorted(file.stem for file in HERE.glob("*.toml"))


class Mixture(Context):
    """Which models propose and which one answers; what is left open is as the recipe has it."""

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
        """What the graph is drawn from; the rest is for the last step of a run."""
        return self.model_dump_json(exclude=set(Context.model_fields))


def mixture_of(said: dict[str, Any]) -> Mixture:
    """The choices among what an assistant is configured with; the server adds keys of its own."""
    return Mixture(**{key: said[key] for key in Mixture.model_fields if key in said})


def recipe_of(mixture: Mixture) -> Recipe:
    """The recipe that these choices mean."""
    said = _own(mixture) if mixture.proposers else shipped(mixture.recipe).resolved()
    if mixture.aggregator:
        said["layers"][-1]["aggregate"][-1]["model"] = mixture.aggregator
    recipe = Recipe.model_validate(said)
    return reviewed(recipe, range(1, len(recipe.layers) + 1)) if mixture.review else recipe


@cache
def shipped(name: str) -> Recipe:
    """The recipe of that name that ships, whatever lies in the data folder."""
    return load_recipe(HERE / f"{name}.toml")


def _own(mixture: Mixture) -> dict[str, Any]:
    seats = [
        {"model": model, "count": mixture.samples, "temperature": mixture.proposer_temperature}
        for model in mixture.proposers
    ]
    layers: list[dict[str, Any]] = [{"proposers": seats} for _ in range(mixture.layers)]
    layers[-1]["aggregate"] = [{"step": "synthesize", "model": mixture.proposers[0]}]
    return {"name": "mixture", "layers": layers}
