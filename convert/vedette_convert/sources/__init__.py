"""Sources of models: a run folder, or an external Keras model."""
