"""Whether a recipe helps: measures, studies and reports; each file needs the extra `evals`."""
