from tests import catalog


def test_the_page_of_recipes_is_what_the_recipes_draw() -> None:
    assert catalog.PAGE.read_text() == catalog.page()


def test_the_studio_has_a_graph_for_each_recipe() -> None:
    assert catalog.STUDIO.read_text() == catalog.studio()
