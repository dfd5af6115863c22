"""The turns that all threads keep: what reports and learned routers are made from."""

from collections.abc import AsyncIterator

from langchain_core.messages import AIMessage

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import MoaError, StorageError
from moagraph.nodes.state import Json
from moagraph.threads.branches import read_branches
from moagraph.threads.history import READER, compile_recipe, config_of
from moagraph.threads.savers.steady import Steady


async def kept_turns(threads: Steady) -> AsyncIterator[Json]:
    """What each answered turn left, of the fork that its thread goes on with."""
    reader = compile_recipe(Recipe.model_validate(READER), threads)
    for thread_id, _ in threads.names(None):
        try:
            tree = await read_branches(threads, thread_id)
            for end in tree.turns(tree.newest):
                values = (await reader.aget_state(config_of(thread_id, end))).values
                messages = values.get("messages", [])
                if messages and isinstance(messages[-1], AIMessage) and values.get("recipe"):
                    yield values
        except StorageError:
            raise
        except MoaError:  # another app's thread
            continue
