"""Sources outside the models: files, SQL databases and triple graphs, and how to query them."""
