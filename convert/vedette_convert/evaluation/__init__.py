"""Evaluation of a quantized graph beside the float model."""
