"""Evaluations: run recipes and single models on data sets, and judge their answers."""
