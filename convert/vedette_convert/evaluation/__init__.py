"""Evaluation of a quantized graph against the float model."""
