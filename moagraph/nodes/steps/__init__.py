"""The steps of a recipe, one file each."""
