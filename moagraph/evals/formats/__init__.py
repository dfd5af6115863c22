"""Read and write the file formats of other evaluation tools."""
