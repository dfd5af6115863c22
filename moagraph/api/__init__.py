"""The public Python functions: ask, resume, retry, replay, and their results."""
