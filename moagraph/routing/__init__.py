"""Learned routing: fits the router of a recipe to scored answers."""
