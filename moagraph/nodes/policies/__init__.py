"""Rules for a run: stragglers, budgets, latency and human review."""
