"""Settings of a run: what the command line says, in one object."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")
DEFAULT_ARCHITECTURE = "efficientnet_lite0"
HEADS = DISCRIMINANT, GRADIENT = ("discriminant", "gradient")

FEW_CLASSES = 4  # up to which an output for `unknown` sees little

# Settings that mean nothing where no gradient descends.
OF_DESCENT = (
    "epochs", "patience", "batch_size", "optimizer", "learning_rate", "schedule", "augment",
    "balance", "validation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All that decides what a run becomes, besides the photographs."""

    data: Path  # folder of the photographs
    architecture: str
    head: str  # one of HEADS: fitted in closed form, or by gradient descent
    start: Path | None  # an earlier run whose split this one keeps, and weights if it descends
    size: int  # px, height and width of the input
    resize_mode: str  # how a picture's shape becomes the input's
    epochs: int  # of gradient descent; 0 where the head is fitted in closed form
    fine_tune: int  # further epochs in which a pretrained network's upper blocks learn, too
    patience: int  # epochs without a better one after which training ends; 0: never
    batch_size: int
    optimizer: str  # one of OPTIMIZERS
    learning_rate: float
    schedule: str  # how the learning rate goes on, one of SCHEDULES
    augment: bool
    flip: bool  # whether mirrored pictures are learned from
    balance: bool  # whether each class is seen equally often
    precision: float  # share of right answers that the threshold for `unknown` is to give, 0..1
    unknown: tuple[Path, ...]  # folders of pictures of none of the classes
    validation: float  # share of the training part, 0..1; 0: all of it is learned from
    test: float  # share of all photographs, 0..1; 0: none is tested on
    seed: int

    @property
    def descends(self) -> bool:
        """True if gradient descent is part of the run."""
        return self.epochs + self.fine_tune > 0


@dataclass(frozen=True, slots=True)
class ArchitectureDefaults:
    """How an architecture is trained where the command line does not say."""

    normalisation: str  # of the contract
    heads: tuple[str, ...]  # of HEADS that it can have, the default first
    size: int
    epochs: int
    fine_tune: int
    batch_size: int
    optimizer: str
    learning_rate: float
    schedule: str
    augment: bool

    @property
    def pretrained(self) -> bool:
        """True if it comes with weights, under a head that is trained."""
        return DISCRIMINANT in self.heads


# Gradient descent after a head in closed form, with --fine-tune.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 0,
    "batch_size": 32,
    "optimizer": "adamw",
    "learning_rate": 0.0003,
    "schedule": "cosine",
}

_SCRATCH = (GRADIENT,)
_TRUNCATED = (DISCRIMINANT,)

ARCHITECTURE_DEFAULTS: Mapping[str, ArchitectureDefaults] = {
    "efficientnet_lite0": ArchitectureDefaults(
        "centred", HEADS, 150, 30, 0, 64, "adam", 0.003, "cosine", augment=True
    ),
    "efficientnet_lite0_tiny": ArchitectureDefaults(
        "centred", _TRUNCATED, 128, fine_tune=0, augment=True, **FINE_TUNING
    ),
    "efficientnet_lite0_nano": ArchitectureDefaults(
        "centred", _TRUNCATED, 128, fine_tune=10, augment=True, **FINE_TUNING
    ),
    "cnn": ArchitectureDefaults(
        "unit", _SCRATCH, 150, 15, 0, 128, "adam", 0.001, "constant", augment=False
    ),
    "small": ArchitectureDefaults(
        "unit", _SCRATCH, 150, 20, 0, 32, "adamw", 0.006, "cosine", augment=True
    ),
    "mobilenet_v2": ArchitectureDefaults(
        "signed", HEADS, 150, 30, 0, 64, "adam", 0.003, "cosine", augment=True
    ),
    "mobilenet_v3_small": ArchitectureDefaults(
        "signed", HEADS, 150, 30, 0, 64, "adam", 0.003, "cosine", augment=True
    ),
}

DEFAULTS: Mapping[str, Any] = {
    "start": None,
    "resize_mode": "squash",
    "patience": 0,
    "flip": True,
    "balance": False,
    "precision": 0.95,
    "unknown": (),
    "validation": 0.2,
    "test": 0.2,
    "seed": 0,
}


def fill_defaults(chosen: Mapping[str, Any]) -> TrainConfig:
    """The settings: what was chosen, and for what is None or missing, the recipe's."""
    recipe = ARCHITECTURE_DEFAULTS[chosen["architecture"]]
    head = chosen.get("head") or recipe.heads[0]
    defaults: dict[str, Any] = {**DEFAULTS, **asdict(recipe), "head": head}
    if head == DISCRIMINANT:
        defaults |= FINE_TUNING
        fine_tune = chosen.get("fine_tune")
        if not (recipe.fine_tune if fine_tune is None else fine_tune):
            defaults |= {"validation": 0.0, "augment": False}
    names = [field.name for field in fields(TrainConfig)]
    filled = {name: chosen.get(name) for name in names}
    return TrainConfig(
        **{name: defaults[name] if one is None else one for name, one in filled.items()}
    )
