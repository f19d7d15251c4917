"""Networks normalise in their first layer, thaw in part, and fail clearly if offline."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import pytest

from vedette_train.config import ARCHITECTURE_DEFAULTS
from vedette_train.models.architectures import ARCHITECTURES, cnn
from vedette_train.models.backbones import (
    BACKBONES,
    build_with_head,
    mobilenet_v2,
    mobilenet_v3_small,
    thaw,
)
from vedette_train.models.efficientnet_lite0 import lite0

BYTES = np.array([0, 127, 255], np.float32)
NORMALISED = {"unit": BYTES / 255, "centred": (BYTES - 127) / 128, "signed": BYTES / 127.5 - 1}
Build = Callable[[], keras.Model]
build_lite0 = cache(partial(lite0, 64, 64))
NETWORKS: dict[str, Build] = {
    **{name: partial(build, 64, 64, 5) for name, build in ARCHITECTURES.items()},
    **dict.fromkeys(
        ("efficientnet_lite0", "efficientnet_lite0_tiny", "efficientnet_lite0_nano"),
        build_lite0,
    ),
    "mobilenet_v2": lambda: mobilenet_v2(64, 64, weights=None),
    "mobilenet_v3_small": lambda: mobilenet_v3_small(64, 64, weights=None),
}


def test_every_architecture_has_defaults_and_a_network() -> None:
    names = ARCHITECTURES.keys() | BACKBONES.keys()
    assert ARCHITECTURE_DEFAULTS.keys() == names == NETWORKS.keys()
    pretrained = {name for name, one in ARCHITECTURE_DEFAULTS.items() if one.pretrained}
    assert pretrained == BACKBONES.keys()


@pytest.mark.parametrize("name", ARCHITECTURE_DEFAULTS)
def test_the_normalisation_in_the_contract_is_the_one_in_the_graph(name: str) -> None:
    network = NETWORKS[name]()
    rescaling = [layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling)]
    assert len(rescaling) == 1
    first = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert first[0] is rescaling[0]
    scaled = np.asarray(rescaling[0](BYTES))
    np.testing.assert_allclose(
        scaled, NORMALISED[ARCHITECTURE_DEFAULTS[name].normalisation], atol=1e-6
    )


def test_a_classifier_and_its_head_share_what_is_learned() -> None:
    backbone = build_lite0()
    whole, head = build_with_head(backbone, 3)
    assert len(head.trainable_weights) == len(whole.trainable_weights) == 2
    head.layers[-1].set_weights([np.ones((1280, 3)), np.arange(3)])
    picture = np.full((1, 64, 64, 3), 90, np.uint8)
    np.testing.assert_allclose(
        whole.predict_on_batch(picture),
        head.predict_on_batch(backbone.predict_on_batch(picture)),
        rtol=1e-4,
    )


@pytest.mark.parametrize("build", [NETWORKS["efficientnet_lite0"], NETWORKS["mobilenet_v2"]])
def test_only_upper_layers_thaw_and_never_batch_normalisation(build: Build) -> None:
    backbone = build()
    backbone.trainable = False
    thaw(backbone)
    learning = [bool(layer.trainable_weights) for layer in backbone.layers]
    assert not any(learning[: len(learning) // 2])
    assert any(learning)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert not layer.trainable


def test_a_network_from_scratch_has_no_head_to_share() -> None:
    assert all(layer.trainable for layer in cnn(32, 32, 3).layers)


def test_weights_that_cannot_be_downloaded_are_an_error_and_no_traceback(
    shapes: Path, tmp_path: Path
) -> None:
    nowhere = {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"}
    command = ["fit", str(shapes), "--out", str(tmp_path / "run"), "--size", "96"]
    done = subprocess.run(
        [sys.executable, "-m", "vedette_train", *command, "--architecture", "mobilenet_v2"],
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "MobileNetV2" in done.stderr
    assert "efficientnet_lite0" in done.stderr
    assert "Traceback" not in done.stderr
