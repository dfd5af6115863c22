"""Run an evaluation: ask systems, ask judges, store both."""
