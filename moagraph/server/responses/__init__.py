"""OpenAI's Responses API: requests and responses."""
