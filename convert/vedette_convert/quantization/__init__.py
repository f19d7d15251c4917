"""Quantization: from a Keras model to integers."""
