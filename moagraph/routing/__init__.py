"""Learned routing: fit a recipe's route from scored results."""
