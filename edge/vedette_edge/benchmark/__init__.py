"""Measurement of the watch, compared with resize and invoke alone."""
