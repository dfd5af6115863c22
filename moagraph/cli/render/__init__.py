"""Render results for the terminal, for HTML and as JSON."""
