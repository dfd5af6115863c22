"""Checks without a model: each runs in its own process, with limits."""
