"""Vedette's conversion: a run folder becomes one quantized .tflite file."""
