"""What runs inside a sandbox. Standard library only, as nothing else may be there to import."""
