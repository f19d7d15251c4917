"""Features from the later blocks of a backbone, and a classifier on them with a layer a block."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from vedette_edge.head.record import DIRECTIONS, PREFIX, Block
from vedette_train.models.architectures import Model
from vedette_train.models.fold_batchnorm import fold_batchnorm

LEAST_STRIDE = 16  # of the blocks that are read: earlier ones see too little of the image
GRID = 3  # windows a side over the map of the last block of stride 16
LAST = "last"  # the name of the backbone's own output, read as a block

_BLOCK = re.compile(r"(?:blocks\.|block_|expanded_conv_)(\d+)[._]")  # lite0, MobileNetV2, V3

Tensor = Any  # keras publishes no types


@dataclass(frozen=True, slots=True)
class Trunk:
    """The part of a backbone that features come from."""

    blocks: int | None = None  # number of its first blocks; None: all, and its own output
    first: int = 0  # the first block that is read


@dataclass(frozen=True, slots=True)
class BlockFeatures:
    """A backbone as a network from images to features."""

    network: Model  # bytes 0..255 as float32 -> a row of all features
    tensors: Mapping[str, Tensor]  # name of the block -> its features, flat
    name: str

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in the order of their features in a row."""
        return tuple(
            Block(f"{PREFIX}{name}", int(tensor.shape[-1])) for name, tensor in self.tensors.items()
        )

    @property
    def width_of_blocks(self) -> int:
        """The number of features without the backbone's own output, which is last in a row."""
        return sum(block.width for block in self.blocks if block.layer != f"{PREFIX}{LAST}")


def build_block_features(backbone: Model, trunk: Trunk) -> BlockFeatures:
    """Build the features of a backbone, with batch normalisation folded into its convolutions.

    Features are the averages of the blocks' maps. The map of the last block before the last
    stride is averaged over a grid of windows, so that its features keep some of the layout.
    """
    copy = fold_batchnorm(backbone)
    maps = _collect_maps(copy, trunk)
    gridded = _find_gridded(maps, int(copy.inputs[0].shape[1]))
    tensors = {
        str(number): (_average_windows if number == gridded else _average_map)(one, number)
        for number, one in maps.items()
    }
    if trunk.blocks is None:
        tensors[LAST] = copy.output
    row = layers.Concatenate(name="features.row")(list(tensors.values()))
    network = keras.Model(copy.inputs[0], row, name=f"{backbone.name}.features")
    return BlockFeatures(network, tensors, backbone.name)


def build_classifier(
    features: BlockFeatures, blocks: Sequence[Block], classes: int, *, unknown: bool
) -> Model:
    """A network from images to scores: the sum of a Dense layer for each block, and a softmax.

    The layers have the blocks' names. With `unknown`, the last score is that of the background:
    its logit is the squared length of a linear function of the others.
    """
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in features.tensors.items()}
    parts = [
        layers.Dense(classes, name=block.layer, dtype="float32")(tensors[block.layer])
        for block in blocks
    ]
    logits = layers.Add(name="head.logits", dtype="float32")(parts) if parts[1:] else parts[0]
    if unknown:
        directions = layers.Dense(classes - 1, name=DIRECTIONS, dtype="float32")(logits)
        squared = layers.Dot(axes=1, name="head.unknown", dtype="float32")([directions, directions])
        logits = layers.Concatenate(name="head.with_unknown", dtype="float32")([logits, squared])
    scores = layers.Softmax(name="scores", dtype="float32")(logits)
    return keras.Model(features.network.inputs[0], scores, name=features.name)


def freeze_lower(network: Model, blocks: int) -> None:
    """Freeze the weights in front of the block of that number."""
    for layer in network.layers:
        numbered = _BLOCK.match(layer.name)
        if numbered and int(numbered[1]) >= blocks:
            return
        layer.trainable = False


def _collect_maps(network: Model, trunk: Trunk) -> dict[int, Tensor]:
    """The output map of each block that is read, by number."""
    maps: dict[int, Tensor] = {}
    for layer in network.layers:
        if numbered := _BLOCK.match(layer.name):
            maps[int(numbered[1])] = layer.output
    height = int(network.inputs[0].shape[1])
    end = max(maps) + 1 if trunk.blocks is None else trunk.blocks
    return {
        number: one
        for number, one in sorted(maps.items())
        if trunk.first <= number < end and _compute_stride(one, height) >= LEAST_STRIDE
    }


def _compute_stride(one: Tensor, height: int) -> int:
    """Pixels of the image from one place of a map to the next: a power of two.

    A convolution with stride 2 halves the number of places and rounds up.
    """
    return int(2 ** math.ceil(math.log2(height / one.shape[1])))


def _find_gridded(maps: Mapping[int, Tensor], height: int) -> int | None:
    """The number of the last block before the last stride, if its map is large enough."""
    ends = [number for number, one in maps.items() if _compute_stride(one, height) == LEAST_STRIDE]
    return max((number for number in ends if maps[number].shape[1] >= GRID), default=None)


def _average_map(one: Tensor, number: int) -> Tensor:
    return layers.GlobalAveragePooling2D(name=f"average.{number}")(one)


def _average_windows(one: Tensor, number: int) -> Tensor:
    """Averages over GRID x GRID windows, which overlap if GRID does not divide the map.

    A convolution with a constant kernel, since TFLite's delegate has no integer pooling.
    """
    height = int(one.shape[1])
    step = height // GRID
    window = height - (GRID - 1) * step
    averages = layers.DepthwiseConv2D(
        window,
        strides=step,
        use_bias=False,
        depthwise_initializer=keras.initializers.Constant(1 / window**2),
        trainable=False,
        name=f"grid.{number}",
    )(one)
    return layers.Flatten(name=f"average.{number}")(averages)
