"""The judges of an evaluation, one per file; `factory.py` builds a judge from its name."""
