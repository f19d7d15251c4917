"""The run folder: its files, its checkpoint, the run that it starts from."""
