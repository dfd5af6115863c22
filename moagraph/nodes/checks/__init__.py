"""Checks that need no model: each runs in a process of its own, with limits."""
