"""Evaluation of a trained model: predictions, calibration, mistakes."""
