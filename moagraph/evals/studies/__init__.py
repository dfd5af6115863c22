"""Studies that the papers made, made again: on recorded answers, or on a run of one's own."""
