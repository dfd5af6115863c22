"""The models that clients can request: each recipe is one, compiled again when its file changes."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.load import load_recipe, recipe_file, recipe_names
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.state import Json
from moagraph.server.protocol_errors import ApiError
from moagraph.threads.history import compile_recipe
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.runner import Graph

PREFIX = "moa/"


@dataclass(frozen=True)
class ServedModel:
    """A recipe with its compiled graph, which has no checkpointer.

    `version` is the modification time and size of the recipe's file when it was read.
    """

    version: tuple[int, int]
    recipe: Recipe
    graph: Graph


class ModelList:
    """The recipes as models, and the thread store of requests that name a thread."""

    def __init__(self) -> None:
        """Start empty: recipes are read and the store is opened when first needed."""
        self._models: dict[str, ServedModel] = {}
        self._persistent: dict[str, tuple[ServedModel, Graph]] = {}
        self._resources = ExitStack()
        self._threads: Threads | None = None
        self._threads_lock = asyncio.Lock()

    async def close(self) -> None:
        """Close the thread store."""
        await asyncio.to_thread(self._resources.close)

    async def entries(self) -> list[Json]:
        """List every model in OpenAI's form."""
        return await asyncio.to_thread(lambda: [_entry(name) for name in recipe_names()])

    async def entry(self, model: str) -> Json:
        """Describe one model in OpenAI's form."""
        return await asyncio.to_thread(lambda: _entry(_listed_recipe(model)))

    async def model(self, model: str) -> ServedModel:
        """Load a model; files are read in a worker thread, as other requests share the loop.

        Args:
            model: A recipe's name, with or without the prefix.
        """
        return await asyncio.to_thread(self._load, model)

    async def threads(self) -> Threads:
        """Open the thread store once."""
        async with self._threads_lock:
            if self._threads is None:
                self._threads = await asyncio.to_thread(
                    self._resources.enter_context, open_threads()
                )
            return self._threads

    async def persistent_graph(self, model: ServedModel) -> Graph:
        """Compile the model's graph with the thread store as its checkpointer."""
        name = model.recipe.name
        compiled_for, graph = self._persistent.get(name, (None, None))
        if graph is None or compiled_for is not model:
            graph = await asyncio.to_thread(compile_recipe, model.recipe, await self.threads())
            self._persistent[name] = (model, graph)
        return graph

    def _load(self, model: str) -> ServedModel:
        name = _listed_recipe(model)
        version = _file_version(name)
        loaded = self._models.get(name)
        if loaded is None or loaded.version != version:
            recipe = load_recipe(name)
            if recipe.may_pause:
                raise UsageError(f"recipe {name!r} pauses for a person: `moa ask` can do that")
            loaded = self._models[name] = ServedModel(version, recipe, build(recipe).compile())
        return loaded


def recipe_name(model: str) -> str:
    """Remove the prefix from a model's name."""
    return model.removeprefix(PREFIX)


def _listed_recipe(model: str) -> str:
    """The recipe's name, which must be a listed one: no client can name a path."""
    name = recipe_name(model)
    if name not in recipe_names():
        raise _not_found(model)
    return name


def _not_found(model: str) -> ApiError:
    message = f"there is no model {model[:100]!r}: `GET /v1/models` lists them"
    return ApiError(404, message, param="model", code="model_not_found")


def _entry(name: str) -> Json:
    created = _file_version(name)[0] // 10**9
    return {"id": PREFIX + name, "object": "model", "created": created, "owned_by": "moagraph"}


def _file_version(name: str) -> tuple[int, int]:
    try:
        status = recipe_file(name).stat()
    except (OSError, UnknownName) as error:  # deleted since it was listed
        raise _not_found(name) from error
    return status.st_mtime_ns, status.st_size
