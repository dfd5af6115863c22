"""Stored threads: run, read, fork, export and prune them."""
