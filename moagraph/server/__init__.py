"""Recipes behind OpenAI's chat completions: for any client that speaks them."""
