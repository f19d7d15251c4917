"""Vedette's edge: one .tflite file and a camera become labels."""

from vedette_edge.classifier import Classification, Classifier
from vedette_edge.contract import Contract
from vedette_edge.errors import VedetteError
from vedette_edge.prepare import prepare

__all__ = ["Classification", "Classifier", "Contract", "VedetteError", "prepare"]
