"""Prediction: the answers for many pictures in files, in their order."""
