"""From a recipe to a LangGraph DAG."""
