import re

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from tests.mixtures import graph_of, mixture

SIX = [f"together:org/m{index}" for index in range(1, 7)]
BEFORE = {1: "begin", 2: "L1_join", 3: "L2_join"}


def seat(layer: int, number: int) -> str:
    return f"L{layer}_{number:02d}_m{number}"


def test_three_layers_of_six_draw_as_three_layers_of_six() -> None:
    drawn = graph_of(mixture(SIX, SIX, SIX)).get_graph()
    edges = {(edge.source, edge.target) for edge in drawn.edges}
    expected = {("__start__", "begin"), ("L3_join", "L3_synthesize"), ("L3_synthesize", "__end__")}
    for layer in (1, 2, 3):
        for number in range(1, 7):
            expected.add((BEFORE[layer], seat(layer, number)))
            expected.add((seat(layer, number), f"L{layer}_join"))
    assert edges == expected
    assert len(drawn.edges) == len(expected)
    assert not any(edge.conditional for edge in drawn.edges)
    assert set(drawn.nodes) == {name for edge in expected for name in edge}


def test_mermaid_shows_every_seat_and_every_arrow() -> None:
    text = graph_of(mixture(SIX, SIX, SIX)).get_graph().draw_mermaid()
    arrows = set(re.findall(r"^\t(\S+) --> (\S+);$", text, re.MULTILINE))
    assert len(arrows) == 3 + 3 * 12
    for layer in (1, 2, 3):
        assert sum(target == f"L{layer}_join" for _, target in arrows) == 6
        assert sum(source == BEFORE[layer] for source, _ in arrows) == 6
    assert "model = together:org/m6" in text


def test_every_node_says_what_it_is() -> None:
    nodes = graph_of(mixture(SIX[:2], SIX[:1])).get_graph().nodes
    told = {name: node.metadata for name, node in nodes.items() if node.metadata}
    m1, m2 = SIX[:2]
    assert told == {
        "begin": {"role": "begin"},
        "L1_01_m1": {"role": "proposer", "layer": 1, "seat": "01", "model": m1},
        "L1_02_m2": {"role": "proposer", "layer": 1, "seat": "02", "model": m2},
        "L1_join": {"role": "join", "layer": 1},
        "L2_01_m1": {"role": "proposer", "layer": 2, "seat": "01", "model": m1},
        "L2_join": {"role": "join", "layer": 2},
        "L2_synthesize": {"role": "answer", "layer": 2, "model": "openai:agg"},
    }


def test_names_sort_as_the_seats_sit_and_hold_no_reserved_sign() -> None:
    models = ["ollama:llama3.2:3b", "local:/w/My Model|v2.gguf", "openai:::", "together:a/日本"]
    seats = [models[index % 4] for index in range(100)]
    names = [name for name in build(mixture(seats)).nodes if re.match(r"L1_\d", name)]
    assert len(names) == 100
    assert names == sorted(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert names[:4] == ["L1_001_3b", "L1_002_my-model-v2-gguf", "L1_003_model", "L1_004_model"]


def test_a_hundred_and_one_layers_can_be_drawn() -> None:
    nodes = build(mixture(*[["openai:a"]] * 101)).nodes
    assert "L101_01_a" in nodes


def test_two_steps_of_one_kind_are_two_nodes() -> None:
    from moagraph.graphs.recipe.schema import Recipe

    step = {"step": "synthesize", "model": "scripted:x"}
    layer = {"proposers": ["scripted:a"], "aggregate": [step, step]}
    edges = build(Recipe.model_validate({"name": "r", "layers": [layer]})).edges
    assert ("L1_join", "L1_synthesize") in edges
    assert ("L1_synthesize", "L1_synthesize_2") in edges


def test_the_papers_recipe_is_two_layers_of_six_and_the_aggregator() -> None:
    recipe = load_recipe("moa")
    assert [len(layer.proposers) for layer in recipe.layers] == [6, 6]
    assert max_calls(recipe) == 13
    assert len(build(recipe).nodes) == 1 + 12 + 2 + 1
