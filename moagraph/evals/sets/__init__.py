"""The data set formats, one per file; `open.py` detects the format of a file."""
