"""Configuration of a run: the command line's values, with defaults for each architecture."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")
DEFAULT_ARCHITECTURE = "efficientnet_lite0"
HEADS = DISCRIMINANT, GRADIENT = ("discriminant", "gradient")

FEW_CLASSES = 4  # with this many or fewer, an output for `unknown` rejects little

# Settings of gradient descent; a head in closed form has no use for them.
OF_DESCENT = (
    "epochs", "patience", "batch_size", "optimizer", "learning_rate", "schedule", "augment",
    "balance", "validation",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything but the photographs that determines the result of a run."""

    data: Path  # folder of the photographs
    architecture: str
    head: str  # one of HEADS: fitted in closed form, or by gradient descent
    start: Path | None = None  # a run whose split is kept and, for gradient descent, its weights
    size: int  # px, height and width of the input
    resize_mode: str = "squash"  # turns the shape of an image into that of the input
    epochs: int  # of gradient descent; 0 for a head in closed form
    fine_tune: int  # further epochs that also train the upper blocks of a pretrained network
    patience: int = 0  # epochs without improvement after which training stops; 0: never
    batch_size: int
    optimizer: str  # one of OPTIMIZERS
    learning_rate: float
    schedule: str  # of the learning rate, one of SCHEDULES
    augment: bool
    flip: bool = True  # train on mirrored images, too
    balance: bool = False  # show each class equally often
    precision: float = 0.95  # 0..1, share of correct answers that thresholds aim at
    unknown: tuple[Path, ...] = ()  # folders of images that belong to none of the classes
    validation: float = 0.2  # 0..1, share of the training part; 0: train on all of it
    test: float = 0.2  # 0..1, share of all photographs; 0: no test part
    seed: int = 0

    @property
    def descends(self) -> bool:
        """True if the run uses gradient descent."""
        return self.epochs + self.fine_tune > 0

    def to_dict(self) -> dict[str, object]:
        """The content of settings.json: JSON values, paths absolute."""
        return {name: _to_json(value) for name, value in asdict(self).items()}


def _to_json(value: object) -> object:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return str(value.resolve()) if isinstance(value, Path) else value


@dataclass(frozen=True, slots=True)
class ArchitectureDefaults:
    """Defaults for the training of one architecture."""

    normalisation: str  # for the contract
    heads: tuple[str, ...]  # the possible HEADS, the default first
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
        """True if the network comes with weights, and only its head needs training."""
        return DISCRIMINANT in self.heads


# Gradient descent after a head in closed form, with --fine-tune.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 0,
    "batch_size": 32,
    "optimizer": "adamw",
    "learning_rate": 0.0003,
    "schedule": "cosine",
}

_WHOLE = ArchitectureDefaults(
    "centred", HEADS, 150, 30, 0, 64, "adam", 0.003, "cosine", augment=True
)

_TINY = ArchitectureDefaults(
    "centred", (DISCRIMINANT,), 128, fine_tune=0, augment=True, **FINE_TUNING
)

ARCHITECTURE_DEFAULTS: Mapping[str, ArchitectureDefaults] = {
    "efficientnet_lite0": _WHOLE,
    "efficientnet_lite0_tiny": _TINY,
    "efficientnet_lite0_nano": replace(_TINY, fine_tune=10),
    "cnn": ArchitectureDefaults(
        "unit", (GRADIENT,), 150, 15, 0, 128, "adam", 0.001, "constant", augment=False
    ),
    "small": ArchitectureDefaults(
        "unit", (GRADIENT,), 150, 20, 0, 32, "adamw", 0.006, "cosine", augment=True
    ),
    "mobilenet_v2": replace(_WHOLE, normalisation="signed"),
    "mobilenet_v3_small": replace(_WHOLE, normalisation="signed"),
}


def fill_defaults(chosen: Mapping[str, Any]) -> TrainConfig:
    """The configuration with the given values, and defaults for those that are None or missing."""
    architecture = ARCHITECTURE_DEFAULTS[chosen["architecture"]]
    head = chosen.get("head") or architecture.heads[0]
    values: dict[str, Any] = {**asdict(architecture), "head": head}
    if head == DISCRIMINANT:
        values |= FINE_TUNING
        fine_tune = chosen.get("fine_tune")
        if not (architecture.fine_tune if fine_tune is None else fine_tune):
            values |= {"validation": 0.0, "augment": False}
    values |= {name: value for name, value in chosen.items() if value is not None}
    names = values.keys() & {field.name for field in fields(TrainConfig)}
    return TrainConfig(**{name: values[name] for name in names})
