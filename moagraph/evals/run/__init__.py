"""Run an evaluation: get answers and verdicts, store them, and keep within a spending limit."""
