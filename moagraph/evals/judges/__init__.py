"""The judges, one a file; `named.py` finds one by its name."""
