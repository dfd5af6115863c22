"""A recipe in a seat of another: `moa:NAME` or `moa:path/to/recipe.toml`."""

from contextvars import ContextVar

from langchain_core.language_models import BaseChatModel

from moagraph.graphs.recipe.calls import own_calls
from moagraph.graphs.recipe.load import load_recipe, recipe_file
from moagraph.nodes.errors import RecipeError, UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.provider import Provider
from moagraph.nodes.models.providers import check

SAMPLING = {"temperature", "top_p", "max_tokens", "seed", "stop"}

# The files of the recipes that the one being checked is nested in.
_outer_files: ContextVar[tuple[str, ...]] = ContextVar("outer_files", default=())


class NestedRecipes(Provider):
    """The provider `moa:`; its models are recipes."""

    def check(self, call: Call, model: str) -> None:
        """Refuse a recipe that cannot run in a seat, or whose own models cannot be called."""
        file = str(recipe_file(model).resolve())
        if file in _outer_files.get():
            raise RecipeError(f"`{call.model}` contains itself: give the seat another model")
        recipe = load_recipe(model)
        if recipe.may_pause:
            raise UsageError(f"`{call.model}` pauses for a person, which a seat cannot")
        token = _outer_files.set((*_outer_files.get(), file))
        try:
            for inner in own_calls(recipe):
                check(inner)
        finally:
            _outer_files.reset(token)

    def chat_model(self, call: Call, model: str) -> BaseChatModel:
        """Return the recipe as a chat model with the seat's sampling."""
        from moagraph.graphs.chat_model import ChatMoA

        return ChatMoA(recipe=model, **call.model_dump(include=SAMPLING))
