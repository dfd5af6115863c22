from tests import catalog


def test_the_page_of_recipes_is_what_the_recipes_draw() -> None:
    assert catalog.PAGE.read_text() == catalog.page()


def test_the_page_of_keys_is_what_the_schema_says() -> None:
    assert catalog.KEYS.read_text() == catalog.keys()


def test_the_studio_has_a_graph_for_each_recipe() -> None:
    assert catalog.STUDIO.read_text() == catalog.studio()
