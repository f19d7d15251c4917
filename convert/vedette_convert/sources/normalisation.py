"""The usual normalisations of images, as formulas and as Keras layers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from keras import layers
from numpy.typing import NDArray

NONE, OWN = "none", "own"

Colours = NDArray[np.float32]  # n x 3: R, G, B from 0 to 255


@dataclass(frozen=True, slots=True)
class Affine:
    """A normalisation of bytes, channel by channel: x * scale + offset."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]  # in the order of the output channels
    bgr: bool = False  # the order of the output channels

    def apply(self, colours: Colours) -> Colours:
        """Normalise colours."""
        ordered = colours[:, ::-1] if self.bgr else colours
        scale, offset = np.array(self.scale, np.float32), np.array(self.offset, np.float32)
        return ordered * scale + offset


_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, of ImageNet
AFFINES: Mapping[str, Affine] = {
    "unit": Affine((1 / 255,) * 3, (0.0,) * 3),
    "centred": Affine((1 / 128,) * 3, (-127 / 128,) * 3),
    "signed": Affine((1 / 127.5,) * 3, (-1.0,) * 3),
    "resnet50": Affine((1.0,) * 3, (-103.939, -116.779, -123.68), bgr=True),
    "imagenet": Affine(
        (1 / 255 / _DEVIATIONS[0], 1 / 255 / _DEVIATIONS[1], 1 / 255 / _DEVIATIONS[2]),
        (-_MEANS[0] / _DEVIATIONS[0], -_MEANS[1] / _DEVIATIONS[1], -_MEANS[2] / _DEVIATIONS[2]),
    ),
}


def create_layer(name: str) -> layers.Layer:
    """Create a layer that normalises bytes; `none` and `own` leave them unchanged.

    If all channels are treated alike, it is a Rescaling, as in training. Otherwise it is a 1x1
    convolution, which quantization gives a scale for each channel and an exact offset.
    """
    affine = AFFINES.get(name)
    if affine is None:
        return layers.Identity(name=name)
    if len({*affine.scale}) == len({*affine.offset}) == 1:
        return layers.Rescaling(affine.scale[0], affine.offset[0], name=name)
    kernel = np.diag(affine.scale)[:: -1 if affine.bgr else 1]
    convolution = layers.Conv2D(3, 1, name=name)
    convolution.build((None, None, None, 3))
    convolution.set_weights([kernel[np.newaxis, np.newaxis], np.array(affine.offset)])
    return convolution
