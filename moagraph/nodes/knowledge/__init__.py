"""What is known outside the models: files, databases and graphs, and how they are asked."""
