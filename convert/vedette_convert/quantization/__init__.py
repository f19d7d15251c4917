"""Quantization of a Keras model to a TFLite graph."""
