"""The same systems, rows and judges in others' evaluation tools."""
