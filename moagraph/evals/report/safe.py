"""Text that models wrote, made harmless for a page."""

from html import escape

from moagraph.nodes.texts.printable import clean


def safe(text: object) -> str:
    """The text as text: no markup, no control codes, nothing that turns the reading order."""
    return escape(clean(str(text)))
