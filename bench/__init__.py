"""Benchmarks against a provider on this machine; CI runs small versions of them."""
