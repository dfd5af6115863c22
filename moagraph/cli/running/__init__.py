"""What the commands that run a recipe share: preflight, the run and its display, reviews."""
