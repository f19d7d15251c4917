"""Records on disk: write, rotate, read and summarize them."""
