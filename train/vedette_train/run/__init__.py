"""The run folder: its files, its checkpoint, and the run that it starts from."""
