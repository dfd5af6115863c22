"""The steps a recipe is made of, one a file."""
