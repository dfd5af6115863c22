"""The papers' studies, repeated on recorded answers or on a run."""
