"""Features of a backbone's blocks, and the classifier that reads them block by block."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.head.covariance import Moments
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import DIRECTIONS, calibrate_head
from vedette_edge.images import decoding
from vedette_train.models.backbones import (
    TRUNKS,
    efficientnet_lite0,
    mobilenet_v2,
    mobilenet_v3_small,
)
from vedette_train.models.block_features import (
    BlockFeatures,
    Trunk,
    build_block_features,
    build_classifier,
    freeze_lower,
)
from vedette_train.models.efficientnet_lite0 import lite0

Build = Callable[[int, int], keras.Model]
WHOLE = Trunk()
GRID = 9  # windows over a map
LITE0 = {
    **dict.fromkeys(("5", "6", "7"), 80), "8": 112, "9": 112, "10": GRID * 112,
    **dict.fromkeys(("11", "12", "13", "14"), 192), "15": 320, "last": 1280,
}  # fmt: skip
MOBILENET_V2 = {
    **dict.fromkeys(("6", "7", "8", "9"), 64), "10": 96, "11": 96, "12": GRID * 96,
    **dict.fromkeys(("13", "14", "15"), 160), "16": 320, "last": 1280,
}  # fmt: skip
MOBILENET_V3_SMALL = {
    **dict.fromkeys(("3", "4", "5"), 40), "6": 48, "7": GRID * 48,
    **dict.fromkeys(("8", "9", "10"), 96), "last": 576,
}  # fmt: skip
TINY = {name: LITE0[name] for name in ("5", "6", "7", "8", "9", "10", "11")}


@cache
def build_lite0(height: int, width: int) -> keras.Model:
    """Build a network once for all tests, none of which changes it."""
    return lite0(height, width)


@cache
def build_pretrained_features() -> BlockFeatures:
    return build_block_features(efficientnet_lite0(64, 64), WHOLE)


def build_v2(height: int, width: int) -> keras.Model:
    return mobilenet_v2(height, width, weights=None)


def build_v3_small(height: int, width: int) -> keras.Model:
    return mobilenet_v3_small(height, width, weights=None)


@pytest.mark.parametrize(
    ("build", "size_px", "trunk", "widths"),
    [
        (build_lite0, 64, WHOLE, LITE0),
        (build_lite0, 150, WHOLE, LITE0),
        (build_lite0, 128, TRUNKS["efficientnet_lite0_tiny"], TINY),
        (build_lite0, 128, TRUNKS["efficientnet_lite0_nano"], {"8": GRID * 112}),
        (build_v2, 64, WHOLE, MOBILENET_V2),
        (build_v3_small, 64, WHOLE, MOBILENET_V3_SMALL),
    ],
)
def test_the_blocks_of_stride_16_and_32_are_read_and_what_the_backbone_ends_in(
    build: Build, size_px: int, trunk: Trunk, widths: dict[str, int]
) -> None:
    features = build_block_features(build(size_px, size_px), trunk)
    assert {block.layer: block.width for block in features.blocks} == {
        f"head.{name}": width for name, width in widths.items()
    }
    width = sum(widths.values())
    assert features.network.output_shape == (None, width)
    assert features.width_of_blocks == width - widths.get("last", 0)


@pytest.mark.parametrize("size_px", [16, 20, 33])
@pytest.mark.parametrize(
    ("trunk", "names"),
    [(WHOLE, LITE0), (TRUNKS["efficientnet_lite0_nano"], ("8",))],
)
def test_the_size_of_the_input_decides_no_block(
    size_px: int, trunk: Trunk, names: Iterable[str]
) -> None:
    """Only the grid is left out where a map has fewer places than windows."""
    small = build_block_features(build_lite0(size_px, size_px), trunk)
    assert [block.layer for block in small.blocks] == [f"head.{name}" for name in names]
    width = sum(block.width for block in small.blocks)
    assert small.network.predict_on_batch(draw_noise(size_px)).shape == (3, width)


def draw_noise(size_px: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, size_px, size_px, 3), np.uint8)


def select_columns(
    row: NDArray[np.float32], name: str, widths: dict[str, int]
) -> NDArray[np.float32]:
    """The features of one block in rows of all."""
    start = sum(list(widths.values())[: list(widths).index(name)])
    return row[:, start : start + widths[name]]


@pytest.mark.parametrize("size_px", [64, 96, 150])
def test_windows_of_the_grid_are_averages_of_parts_of_the_map(size_px: int) -> None:
    network = build_block_features(build_lite0(size_px, size_px), WHOLE).network
    probe = keras.Model(network.inputs[0], [network.get_layer("grid.10").input, network.output])
    maps, rows = probe.predict_on_batch(draw_noise(size_px))
    side = maps.shape[1]
    step = side // 3
    reach = side - 2 * step  # so that three windows cover the map from edge to edge
    windows = [
        maps[:, top : top + reach, left : left + reach].mean(axis=(1, 2))
        for top in (0, step, 2 * step)
        for left in (0, step, 2 * step)
    ]
    features = select_columns(rows, "10", LITE0)
    np.testing.assert_allclose(features, np.concatenate(windows, axis=1), rtol=1e-4, atol=1e-5)


def test_other_features_are_averages_over_the_whole_map() -> None:
    network = build_block_features(build_lite0(64, 64), WHOLE).network
    probe = keras.Model(network.inputs[0], [network.get_layer("average.6").input, network.output])
    maps, rows = probe.predict_on_batch(draw_noise(64))
    np.testing.assert_allclose(
        select_columns(rows, "6", LITE0), maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5
    )


def test_the_last_features_are_what_the_backbone_gives() -> None:
    backbone = build_lite0(64, 64)
    rows = build_block_features(backbone, WHOLE).network.predict_on_batch(draw_noise(64))
    np.testing.assert_allclose(
        select_columns(rows, "last", LITE0),
        backbone.predict_on_batch(draw_noise(64)),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_truncated_backbone_has_no_layer_beyond_its_blocks() -> None:
    network = build_block_features(build_lite0(128, 128), TRUNKS["efficientnet_lite0_tiny"]).network
    names = {layer.name for layer in network.layers}
    assert not {name for name in names if name.startswith(("blocks.12", "conv_head"))}
    assert any(name.startswith("blocks.11") for name in names)


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("with_last", [True, False])
def test_the_classifier_computes_the_scores_of_its_head(
    shapes: Path, *, unknown: bool, with_last: bool
) -> None:
    features = build_pretrained_features()
    files = sorted(shapes.rglob("*.png"))[::2]
    batch = np.stack([cv2.resize(decoding.read_image(file), (64, 64)) for file in files])
    truth = np.array([sorted(p.name for p in shapes.iterdir()).index(f.parent.name) for f in files])
    blocks = features.blocks if with_last else features.blocks[:-1]
    widths = [block.width for block in blocks]
    rows = features.network.predict_on_batch(batch)[:, : sum(widths)]
    moments = Moments.zeros(3, np.zeros(sum(widths), np.float32))
    moments.add(rows[::2], truth[::2])
    discriminant = fit_discriminant(moments, widths, 0.2)
    logits = discriminant.logits(rows[1::2])
    head = calibrate_head(discriminant, logits, truth[1::2], 0.01 if unknown else 0.0)
    model = build_classifier(features, blocks, 3, unknown=unknown)
    for name, weights in head.layers(blocks).items():
        model.get_layer(name).set_weights(weights)
    scores = model.predict_on_batch(batch)
    assert scores.shape == (len(files), 3 + unknown)
    assert (DIRECTIONS in {layer.name for layer in model.layers}) == unknown
    np.testing.assert_allclose(scores, head.scores(rows), atol=1e-4)


def test_a_classifier_is_saved_and_loaded_by_keras_alone(tmp_path: Path) -> None:
    features = build_block_features(build_lite0(64, 64), TRUNKS["efficientnet_lite0_tiny"])
    model = build_classifier(features, features.blocks, 4, unknown=True)
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    np.testing.assert_array_equal(
        loaded.predict_on_batch(draw_noise(64)), model.predict_on_batch(draw_noise(64))
    )


def test_only_layers_from_the_block_on_learn() -> None:
    features = build_block_features(build_lite0(64, 64), WHOLE)
    model = build_classifier(features, features.blocks, 3, unknown=False)
    freeze_lower(model, 3)
    learning = {layer.name for layer in model.layers if layer.trainable_weights}
    assert "blocks.3.depthwise_conv" in learning
    assert "head.last" in learning
    assert not {name for name in learning if name.startswith(("conv_stem", "blocks.2", "grid"))}
