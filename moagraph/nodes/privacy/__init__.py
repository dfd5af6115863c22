"""Private details: detect, replace with placeholders, keep from leaving, and restore."""
