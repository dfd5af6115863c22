"""The data sets, a file a format; `open.py` tells which one a file is."""
