"""Compile a recipe to a LangGraph graph."""
