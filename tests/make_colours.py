"""Makes colours.tflite and shares.tflite in tests/edge, the models that the edge's tests run on.

The edge's tests run without TensorFlow, so they need real model files. Both average an image's
colour and answer red, green or blue. The weights of colours.tflite are set by hand; shares.tflite
divides by the image's brightness, so its scores for a black image are not numbers. Run this script
again when the contract or the converter changes, and keep the old file under its format's name:

    .venv/bin/python tests/make_colours.py
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from vedette_convert.packaging.bundle import pack_model
from vedette_convert.packaging.golden_selection import compute_samples, encode_turned_jpeg
from vedette_convert.quantization.converter import quantize
from vedette_edge import Classifier
from vedette_edge.model.contract import Confidence, Contract, Provenance

FOLDER = Path(__file__).parent / "edge"
CONTRACT = Contract(
    labels=("red", "green", "blue"),
    height=24,
    width=32,
    colour="rgb",
    resize_mode="squash",
    resize_rule="box-linear-exact-1",
    normalisation="unit",
    confidence=Confidence(temperature=1.0, unknown_below=0.0),
    provenance=Provenance(
        manifest_sha256="0" * 64, pictures={"test": 0}, seed=0, versions={}, accuracies={}
    ),
)


def build_colours() -> bytes:
    """Build the bytes of the model file."""
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
    graph, images = quantize(network, plain), draw_images()
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "bare.tflite")
        bare.write_bytes(pack_model(graph, CONTRACT))
        return pack_model(graph, CONTRACT, images, compute_samples(images, Classifier(bare)))


def build_shares() -> bytes:
    """Build the bytes of a model whose scores are each channel's share of the light."""
    image = keras.Input(batch_shape=(1, CONTRACT.height, CONTRACT.width, 3))
    light = layers.GlobalAveragePooling2D()(image)
    shares = keras.Model(image, light / keras.ops.sum(light, axis=1, keepdims=True))
    graph = tf.lite.TFLiteConverter.from_keras_model(shares).convert()
    return pack_model(graph, replace(CONTRACT, normalisation="none"))


def draw_images() -> dict[str, bytes]:
    """Draw the images for its self-test: one of each colour, with detail, one rotated."""
    rows, columns = np.mgrid[0:90, 0:160]
    grain = (7 * rows * columns + 3 * columns) % 64
    red, green, blue = (
        (grain[..., np.newaxis] + 170 * np.eye(3, dtype=np.int64)[channel]).astype(np.uint8)
        for channel in range(3)
    )
    return {
        "red.png": cv2.imencode(".png", red[..., ::-1])[1].tobytes(),
        "green.jpeg": encode_turned_jpeg(green, 80),
        "blue.png": cv2.imencode(".png", blue[..., ::-1])[1].tobytes(),
    }


if __name__ == "__main__":
    (FOLDER / "colours.tflite").write_bytes(build_colours())
    (FOLDER / "shares.tflite").write_bytes(build_shares())
