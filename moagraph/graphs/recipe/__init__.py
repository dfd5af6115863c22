"""Recipes: schema, defaults, validation, and reading them from TOML."""
