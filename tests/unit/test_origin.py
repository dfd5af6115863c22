from moagraph.nodes.texts.attribution import SourceText, statements


def test_sentences_are_told_apart_and_marks_of_lists_left_out() -> None:
    text = "The sky is blue. Why is that?\n- Light is scattered by air.\n1) Short waves go further!"
    assert statements(text) == [
        "The sky is blue.",
        "Why is that?",
        "Light is scattered by air.",
        "Short waves go further!",
    ]
    assert statements("Yes. Right so.\n\n") == []
    assert len(statements("空は青い。海も青い。")) == 2


def test_the_same_words_are_wholly_alike_and_others_not_at_all() -> None:
    said = SourceText("The sky is blue today. Cats sleep a lot.")
    assert said.similarity("the SKY is blue, today") == 1.0
    assert said.similarity("Dogs bark loudly outside.") == 0.0
    assert 0 < said.similarity("today blue is sky the") < 0.7
    assert SourceText("").similarity("anything at all") == 0.0
