"""Evaluation of a trained model: predictions, calibration, confusions."""
