"""How a run is made: what the command line said, in one object."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides what a run becomes, besides the photographs."""

    data: Path  # folder of the photographs
    architecture: str
    start: Path | None  # an earlier run whose weights this one begins from
    size: int  # px, height and width of the input
    fit: str  # how a picture's shape becomes the input's
    epochs: int
    fine_tune: int  # further epochs in which a pretrained network's upper blocks learn, too
    patience: int  # epochs without a better one after which training ends; 0: never
    batch_size: int
    optimizer: str  # one of OPTIMIZERS
    learning_rate: float
    schedule: str  # how the learning rate goes on, one of SCHEDULES
    augment: bool
    flip: bool  # whether augmentation may mirror
    balance: bool  # whether each class is seen equally often
    precision: float  # share of right answers that the threshold for `unknown` is to give, 0..1
    unknown: Path | None  # folder of pictures of none of the classes
    validation: float  # share of the training part, 0..1
    test: float  # share of all photographs, 0..1
    seed: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an architecture is trained where the command line does not say."""

    normalisation: str  # of the contract
    pretrained: bool  # whether it comes with weights, under a head that is trained
    size: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    schedule: str
    augment: bool


_HEAD = Recipe("centred", True, 192, 30, 64, "adam", 0.003, "cosine", augment=True)
_SIGNED_HEAD = Recipe("signed", True, 192, 30, 64, "adam", 0.003, "cosine", augment=True)

RECIPES: Mapping[str, Recipe] = {
    "cnn": Recipe("unit", False, 150, 15, 128, "adam", 0.001, "constant", augment=False),
    "small": Recipe("unit", False, 150, 20, 32, "adamw", 0.006, "cosine", augment=True),
    "efficientnet_lite0": _HEAD,
    "mobilenet_v2": _SIGNED_HEAD,
    "mobilenet_v3_small": _SIGNED_HEAD,
}
