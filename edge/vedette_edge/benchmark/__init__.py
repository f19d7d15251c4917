"""Measures what the watch costs, beside resize and invoke alone."""
