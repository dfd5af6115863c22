"""Recipes behind OpenAI's API: chat completions and responses, for any OpenAI client."""
