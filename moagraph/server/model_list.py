"""Which models there are: each recipe is one, compiled once and anew when its file changes."""

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
class Model:
    """A recipe as it was when its file had that stamp, with a graph that keeps nothing."""

    stamp: tuple[int, int]
    recipe: Recipe
    graph: Graph


class Catalogue:
    """The recipes as models, and where the threads of those who want them are kept."""

    def __init__(self) -> None:
        """Nothing is read or opened before it is asked for."""
        self._models: dict[str, Model] = {}
        self._keeping: dict[str, tuple[Model, Graph]] = {}
        self._open = ExitStack()
        self._threads: Threads | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close the threads."""
        await asyncio.to_thread(self._open.close)

    async def listing(self) -> list[Json]:
        """Every model, as OpenAI lists them."""
        return await asyncio.to_thread(lambda: [_listed(name) for name in recipe_names()])

    async def entry(self, model: str) -> Json:
        """One model of the list."""
        return await asyncio.to_thread(lambda: _listed(_known(model)))

    async def model(self, model: str) -> Model:
        """The recipe of that name; files are read off the loop, which other requests share."""
        return await asyncio.to_thread(self._model, model)

    async def threads(self) -> Threads:
        """Where threads are kept, opened by the first who wants one."""
        async with self._opening:
            if self._threads is None:
                self._threads = await asyncio.to_thread(self._open.enter_context, open_threads())
            return self._threads

    async def keeping(self, model: Model) -> Graph:
        """The model's graph with those threads behind it."""
        name = model.recipe.name
        known, graph = self._keeping.get(name, (None, None))
        if graph is None or known is not model:
            graph = await asyncio.to_thread(compile_recipe, model.recipe, await self.threads())
            self._keeping[name] = (model, graph)
        return graph

    def _model(self, model: str) -> Model:
        name = _known(model)
        stamp = _stamp(name)
        found = self._models.get(name)
        if found is None or found.stamp != stamp:
            recipe = load_recipe(name)
            if recipe.may_pause:
                raise UsageError(f"recipe {name!r} pauses for a person: `moa ask` can do that")
            found = self._models[name] = Model(stamp, recipe, build(recipe).compile())
        return found


def _known(model: str) -> str:
    """The recipe's name; only those that are listed, so that no path gets in."""
    name = model.removeprefix(PREFIX)
    if name not in recipe_names():
        raise _none(model)
    return name


def _none(model: str) -> ApiError:
    message = f"there is no model {model[:100]!r}: `GET /v1/models` lists them"
    return ApiError(404, message, param="model", code="model_not_found")


def _listed(name: str) -> Json:
    created = _stamp(name)[0] // 10**9
    return {"id": PREFIX + name, "object": "model", "created": created, "owned_by": "moagraph"}


def _stamp(name: str) -> tuple[int, int]:
    try:
        said = recipe_file(name).stat()
    except (OSError, UnknownName) as error:  # it was there a moment ago
        raise _none(name) from error
    return said.st_mtime_ns, said.st_size
