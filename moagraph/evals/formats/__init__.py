"""The files of other people's tools, read and written so that they accept them."""
