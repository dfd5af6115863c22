"""Build the messages that a model receives."""
