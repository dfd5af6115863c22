"""The settings of pytest: which warnings fail a test."""

import warnings

import pytest


def warn_from(module: str, category: type[Warning]) -> None:
    """Run a line of that module which warns."""
    code = compile("import warnings\nwarnings.warn('goes away', kind)", f"{module}.py", "exec")
    exec(code, {"__name__": module, "kind": category})


@pytest.mark.parametrize("category", [DeprecationWarning, UserWarning, ResourceWarning])
@pytest.mark.parametrize("module", ["moagraph", "moagraph.nodes.models", "bench.layers", __name__])
def test_a_warning_that_points_at_our_module_fails(module: str, category: type[Warning]) -> None:
    with pytest.raises(category, match="goes away"):
        warn_from(module, category)


@pytest.mark.parametrize("category", [DeprecationWarning, UserWarning])
@pytest.mark.parametrize("module", ["langsmith.client", "moagraph_plugin", "benchmark"])
def test_a_warning_of_another_package_fails_nothing(module: str, category: type[Warning]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warn_from(module, category)
    assert [(str(it.message), it.category) for it in caught] == [("goes away", category)]
