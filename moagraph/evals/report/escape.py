"""Escapes text that models wrote, for a page."""

from html import escape

from moagraph.nodes.texts.printable import clean


def escape_text(text: object) -> str:
    """Escape markup, and remove control characters and marks that change the text direction."""
    return escape(clean(str(text)))
