"""Files that a run writes: the data directory, SQLite tables, encryption, the answer cache."""
