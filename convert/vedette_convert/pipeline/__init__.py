"""One conversion, from a run folder or a model from elsewhere to a model file."""
