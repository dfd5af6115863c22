"""Modules that run inside a sandbox; they import the standard library only."""
