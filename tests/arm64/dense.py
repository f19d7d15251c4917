"""Makes two models with one Dense layer, quantized per channel and per tensor, and an input.

    python dense.py FOLDER

The first kills tflite-runtime 2.14 on Arm, so Vedette must refuse it there; the second must run.
"""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from vedette_convert.packaging.bundle import pack_model
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.scheme import Scheme
from vedette_edge.model import model_file
from vedette_edge.model.contract import Contract

COLOURS = Path(__file__).parents[1] / "edge" / "colours.tflite"


def main(folder: Path) -> None:
    colours = model_file.read_model_file(COLOURS).contract
    assert colours
    contract = replace(colours, height=8, width=8)
    for name, per_channel in (("per-channel", True), ("per-tensor", False)):
        (folder / f"{name}.tflite").write_bytes(dense(contract, per_channel))
    np.save(folder / "input.npy", np.zeros((1, contract.height, contract.width, 3), np.uint8))


def dense(contract: Contract, per_channel: bool) -> bytes:
    """A model file with random weights."""
    keras.utils.set_random_seed(0)
    shape = (contract.height, contract.width, 3)
    network = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(len(contract.labels), "softmax"),
        ]
    )
    noise = list(np.random.default_rng(0).integers(0, 256, (16, *shape), np.uint8))
    return pack_model(
        quantize(network, noise, Scheme("int8", dense_per_channel=per_channel)), contract
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
