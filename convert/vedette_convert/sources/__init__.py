"""Sources of models: a run folder, or a Keras model from elsewhere."""
