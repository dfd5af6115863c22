"""Adapters that use our systems, rows and judges in other evaluation tools."""
