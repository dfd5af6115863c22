"""The words of a text, and the keywords among them that say what it is about."""

import re

# Words that say little; a text of nothing else is searched for as it is.
STOP_WORDS = frozenset(
    "a about an and any are as at be been but by can could did do does for from had has have how i "
    "if in into is it its many me more most much my no not of on or our should so tell than that "
    "the their them then there these they this to us was we were what when where which who whom "
    "whose why will with would you your".split()
)
MAX_KEYWORDS = 400

# Characters of scripts that do not separate words: each counts as a word.
_CHARACTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_SINGLE = re.compile(f"([{_CHARACTERS}])")
_WORD = re.compile(rf"[{_CHARACTERS}]|[^\W_]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def keywords(text: str) -> list[str]:
    """Return the words that are no stop words, each once; all words if there are no others."""
    words = list(dict.fromkeys(split_words(text)))
    return ([word for word in words if word not in STOP_WORDS] or words)[:MAX_KEYWORDS]


def separate_characters(text: str) -> str:
    """Put spaces around each character that is a word of its own."""
    return _SINGLE.sub(r" \1 ", text)
