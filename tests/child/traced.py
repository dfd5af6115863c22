"""A process of its own that traces as its environment says: LangSmith reads that only once."""

import json
import sys

from langchain_core.tracers.langchain import wait_for_all_tracers

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import RunError


def main() -> None:
    """Run the recipe that stands in the first argument, streaming where the second says so."""
    recipe = Recipe.model_validate(json.loads(sys.argv[1]))
    graph = build(recipe).compile()
    given = {"messages": [("user", "the secret question")]}
    modes: list[object] = ["updates", "messages"] if sys.argv[2] == "stream" else ["updates"]
    try:
        for _ in graph.stream(given, {"configurable": {"thread_id": "t-1"}}, stream_mode=modes):  # type: ignore[call-overload]
            pass
    except RunError as error:
        sys.stdout.write(str(error))
    wait_for_all_tracers()


if __name__ == "__main__":
    main()
