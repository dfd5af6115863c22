"""A step of your own for moagraph."""
