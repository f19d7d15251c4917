"""EfficientNet-Lite0, a backbone that quantizes well, with ImageNet weights.

Tan and Le, EfficientNet, ICML 2019, in its Lite form of 2020: no squeeze-and-excite, ReLU6.
"""

import re
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from vedette_train.errors import WeightsError
from vedette_train.models.architectures import Model
from vedette_train.models.pretrained_weights import find_weights, read_weights

FEATURES = 1280

Tensor = Any  # keras publishes no types


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one shape in a row."""

    blocks: int
    kernel: int
    stride: int  # of the first block
    expansion: int
    channels: int  # of the output


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def lite0(height: int, width: int) -> Model:
    """A network from bytes 0..255 (float32, batch x height x width x 3) to 1280 features.

    Its layers have the names of the file that `load_imagenet` reads. Its weights are random.
    """
    image = keras.Input((height, width, 3), name="picture")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="centred")(image)
    x = _apply_relu6(_apply_conv(x, 32, 3, 2, "conv_stem"), "bn0")
    shapes = [(one, 1 if index else one.stride) for one in STAGES for index in range(one.blocks)]
    for number, (stage, stride) in enumerate(shapes):
        x = _apply_block(x, stage, stride, f"blocks.{number}")
    x = _apply_relu6(_apply_conv(x, FEATURES, 1, 1, "conv_head"), "bn1")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(image, features, name="efficientnet_lite0")


def load_imagenet(network: Model) -> None:
    """Load the ImageNet weights into a network of `lite0`.

    Raises WeightsError if the package with the weights is not installed, or its file is damaged.
    """
    path = find_weights()
    weights = read_weights(path)
    try:
        for layer in network.layers:
            # blocks.3.bn0 is _blocks.3._bn0 in the file
            name = re.sub(r"(^|\d\.)", r"\1_", layer.name)
            if isinstance(layer, layers.DepthwiseConv2D):
                layer.set_weights([weights[f"{name}.weight"].transpose(2, 3, 0, 1)])
            elif isinstance(layer, layers.Conv2D):
                layer.set_weights([weights[f"{name}.weight"].transpose(2, 3, 1, 0)])
            elif isinstance(layer, layers.BatchNormalization):
                parts = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([weights[f"{name}.{part}"] for part in parts])
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path}: not the weights of EfficientNet-Lite0 ({error})") from error


def _apply_block(x: Tensor, stage: Stage, stride: int, name: str) -> Tensor:
    """Expand, convolve each channel, project; with a shortcut if the shape stays the same."""
    inner, entering = x, x.shape[-1]
    if stage.expansion > 1:
        inner = _apply_conv(inner, entering * stage.expansion, 1, 1, f"{name}.expand_conv")
        inner = _apply_relu6(inner, f"{name}.bn0")
    inner = layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}.depthwise_conv"
    )(inner)
    inner = _apply_relu6(inner, f"{name}.bn1")
    inner = _apply_conv(inner, stage.channels, 1, 1, f"{name}.project_conv")
    inner = _apply_norm(inner, f"{name}.bn2")
    if stride == 1 and entering == stage.channels:
        inner = layers.Add(name=f"{name}.add")([x, inner])
    return inner


def _apply_conv(x: Tensor, channels: int, kernel: int, stride: int, name: str) -> Tensor:
    return layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)(x)


def _apply_norm(x: Tensor, name: str) -> Tensor:
    return layers.BatchNormalization(epsilon=1e-3, name=name)(x)


def _apply_relu6(x: Tensor, name: str) -> Tensor:
    """Normalise by the layer `name`, then clip to 0..6."""
    return layers.ReLU(6.0, name=f"{name}.relu6")(_apply_norm(x, name))
