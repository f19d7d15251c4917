"""Makes tests/edge/colours.tflite, the model that the edge's tests run on.

The edge's tests run where there is no TensorFlow, so a real model must lie beside them: it
averages a picture's colour and says whether that is mostly red, green or blue. Its weights are
set by hand. Run it again when the contract or the converter changes:

    .venv/bin/python tests/make_colours.py
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from vedette_convert.pack import pack
from vedette_convert.quantize import quantize
from vedette_edge.contract import Confidence, Contract, Provenance

PATH = Path(__file__).parent / "edge" / "colours.tflite"
CONTRACT = Contract(
    labels=("red", "green", "blue"),
    height=24,
    width=32,
    colour="rgb",
    fit="squash",
    resize="box-linear-exact-1",
    normalisation="unit",
    normalisation_in_graph=True,
    confidence=Confidence(temperature=1.0, unknown_below=0.0),
    provenance=Provenance(
        manifest_sha256="0" * 64, pictures={"test": 0}, seed=0, versions={}, accuracies={}
    ),
)


def colours() -> bytes:
    """The model file's bytes."""
    network = keras.Sequential(
        [
            keras.Input((CONTRACT.height, CONTRACT.width, 3)),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D((CONTRACT.height, CONTRACT.width)),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    network.layers[-1].set_weights([8 * np.eye(3), np.zeros(3)])
    shape = (CONTRACT.height, CONTRACT.width, 3)
    plain = [np.full(shape, colour, np.uint8) for colour in np.eye(3, dtype=np.uint8) * 255]
    return pack(quantize(network, plain), CONTRACT)


if __name__ == "__main__":
    PATH.write_bytes(colours())
