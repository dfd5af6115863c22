"""OpenAI's chat completions: requests, messages and responses."""
