"""A provider of your own for moagraph."""
