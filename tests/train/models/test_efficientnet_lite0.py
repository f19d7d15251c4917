"""EfficientNet-Lite0 classifies as its authors' does, and every weight is in its place."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge import Classifier, preprocess
from vedette_edge.images import decoding
from vedette_train.models.efficientnet_lite0 import lite0, load_imagenet
from vedette_train.models.pretrained_weights import find_weights, read_weights

SHARED = Path(__file__).parents[4] / "shared"
PHOTOS = SHARED / "photos" / "objects50"
SIZE_PX = 224  # what it learned with

# Indices of ImageNet's classes
MILITARY_UNIFORM, CATS = 652, range(281, 286)
OF_PHOTOS = {
    "dalmatian": 251,
    "flamingo": 130,
    "grand_piano": 579,
    "starfish": 327,
    "trilobite": 69,
}


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[Any]]:
    return read_weights(find_weights())


@pytest.fixture(scope="module")
def network() -> keras.Model:
    network = lite0(SIZE_PX, SIZE_PX)
    load_imagenet(network)
    return network


def classify(
    network: keras.Model, weights: dict[str, NDArray[Any]], files: Iterable[Path]
) -> list[int]:
    """Indices of ImageNet's classes, by the classifier that is also in the file."""
    contract = Classifier(Path(__file__).parents[2] / "edge" / "colours.tflite").contract
    contract = replace(contract, height=SIZE_PX, width=SIZE_PX, resize_mode="crop")
    batch = np.stack([preprocess(decoding.read_image(file), contract) for file in files])
    logits = network.predict_on_batch(batch) @ weights["_fc.weight"].T + weights["_fc.bias"]
    return [int(best) for best in logits.argmax(axis=1)]


def test_it_has_the_parameters_that_were_published_less_the_classifiers(
    network: keras.Model, weights: dict[str, NDArray[Any]]
) -> None:
    assert sum(one.size for one in weights.values() if one.dtype == np.float32) == 4_694_024
    assert network.count_params() == 4_694_024 - 1280 * 1000 - 1000


def test_every_weight_of_the_file_is_used_once(
    network: keras.Model, weights: dict[str, NDArray[Any]]
) -> None:
    def hash_content(one: NDArray[Any]) -> str:
        return hashlib.sha256(np.sort(one, axis=None).tobytes()).hexdigest()

    others = ("_fc.weight", "_fc.bias")
    expected = {
        name: one
        for name, one in weights.items()
        if name not in others and not name.endswith("num_batches_tracked")
    }
    used = Counter(map(hash_content, network.get_weights()))
    assert used == Counter(map(hash_content, expected.values()))
    assert max(used.values()) == 1


def test_it_knows_a_uniform_when_it_sees_one(
    network: keras.Model, weights: dict[str, NDArray[Any]]
) -> None:
    portrait = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    assert classify(network, weights, [portrait]) == [MILITARY_UNIFORM]


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs lie in ../shared")
def test_it_knows_what_photographs_show(
    network: keras.Model, weights: dict[str, NDArray[Any]]
) -> None:
    (cat,) = classify(network, weights, [SHARED / "models" / "cat.bmp"])
    assert cat in CATS
    for name, index in OF_PHOTOS.items():
        answers = classify(network, weights, sorted((PHOTOS / name).iterdir())[:10])
        assert answers.count(index) >= 7, name


def test_a_saved_one_is_loaded_by_keras_alone(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "network.h5")
    loaded = keras.models.load_model(tmp_path / "network.h5", compile=False)
    noise = np.random.default_rng(0).integers(0, 256, (2, SIZE_PX, SIZE_PX, 3), np.uint8)
    np.testing.assert_array_equal(loaded.predict_on_batch(noise), network.predict_on_batch(noise))


def test_height_and_width_are_free(network: keras.Model) -> None:
    other = lite0(75, 150)
    assert other.input_shape == (None, 75, 150, 3)
    assert other.output_shape == (None, 1280)
    assert [layer.name for layer in other.layers] == [layer.name for layer in network.layers]
