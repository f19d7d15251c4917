"""Settings of training, with defaults for each architecture."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vedette_edge.errors import SettingError
from vedette_edge.model.contract import RESIZE_MODES

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")
DEFAULT_ARCHITECTURE = "efficientnet_lite0"
HEADS = DISCRIMINANT, GRADIENT = ("discriminant", "gradient")

FEW_CLASSES = 4  # with this many or fewer, an output for `unknown` rejects little

# Settings of gradient descent; a head in closed form has no use for them.
OF_DESCENT = (
    "epochs", "patience", "batch_size", "optimizer", "learning_rate", "schedule", "augment",
    "balance", "validation", "tensorboard",
)  # fmt: skip
WITHOUT_EFFECT = ("store", "tensorboard", "cluster")  # on the result
LIMITS: Mapping[str, tuple[Any, Any]] = {  # lowest and highest value; None: no limit
    "size": (16, 1024),
    "fine_tune": (0, None),
    "patience": (0, None),
    "batch_size": (1, None),
    "precision": (0.5, 0.999),
    "test": (0, 0.9),
    "seed": (0, 2**32 - 1),
}
VALIDATION_LIMITS = (0.01, 0.9)  # with gradient descent

StrPath = str | Path
_DEPENDS: Any = None  # the default depends on the architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of training: the flags of `vedette-train fit`, under the same names.

    Raises SettingError for a value that is not possible, or has no effect with the others.
    """

    architecture: str = DEFAULT_ARCHITECTURE  # a key of ARCHITECTURE_DEFAULTS
    head: str = _DEPENDS  # one of HEADS: fitted in closed form, or by gradient descent
    start: StrPath | None = None  # a run whose split is kept and, for gradient descent, its weights
    size: int = _DEPENDS  # px, height and width of the input
    resize_mode: str = RESIZE_MODES[0]  # turns the shape of an image into that of the input
    epochs: int = _DEPENDS  # of gradient descent; 0 for a head in closed form
    fine_tune: int = _DEPENDS  # further epochs that also train the upper blocks of a backbone
    patience: int = 0  # epochs without improvement after which training stops; 0: never
    batch_size: int = _DEPENDS
    optimizer: str = _DEPENDS  # one of OPTIMIZERS
    learning_rate: float = _DEPENDS
    schedule: str = _DEPENDS  # of the learning rate, one of SCHEDULES
    augment: bool = _DEPENDS
    flip: bool = True  # train on mirrored images, too
    balance: bool = False  # show each class equally often
    precision: float = 0.95  # 0..1, share of correct answers that thresholds aim at
    unknown: Sequence[StrPath] = ()  # folders of images that belong to none of the classes
    validation: float = _DEPENDS  # 0..1, share of the training part; 0: train on all of it
    test: float = 0.2  # 0..1, share of all photographs; 0: no test part
    seed: int = 0
    store: StrPath | None = None  # folder for prepared images; None: `.store` beside the run
    tensorboard: bool = False  # write logs for TensorBoard
    cluster: str | None = None  # address of a Dask scheduler, or `local`; None: this process alone

    def __post_init__(self) -> None:
        _check_choice("architecture", self.architecture, ARCHITECTURE_DEFAULTS)
        architecture = ARCHITECTURE_DEFAULTS[self.architecture]
        head = self.head or architecture.heads[0]
        fine_tune = architecture.fine_tune if self.fine_tune is None else self.fine_tune
        defaults = _list_defaults(architecture, head, fine_tune)
        unused = [
            name
            for name in list_unused(head, fine_tune)
            if getattr(self, name) not in (None, defaults.get(name, 0))
        ]
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if isinstance(self.unknown, str | Path):
            object.__setattr__(self, "unknown", (self.unknown,))
        _check_head(self)
        if unused:
            raise SettingError(explain_unused(self, [_name_flag(name) for name in unused]))
        _check_values(self)

    @property
    def descends(self) -> bool:
        """True if the run uses gradient descent."""
        return self.epochs + self.fine_tune > 0

    def to_dict(self) -> dict[str, object]:
        """The settings with an effect on the result: JSON values, paths absolute."""
        values = asdict(self) | {
            "start": self.start and str(Path(self.start).resolve()),
            "unknown": [str(Path(folder).resolve()) for folder in self.unknown],
        }
        return {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}


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


def list_unused(head: str, fine_tune: int) -> tuple[str, ...]:
    """The settings that have no effect on a head."""
    if head != DISCRIMINANT:
        return ()
    return ("epochs",) if fine_tune else OF_DESCENT


def explain_unused(config: TrainConfig, flags: Sequence[str]) -> str:
    """Explain why flags have no effect with a head in closed form, and what to do."""
    reason, hint = "no effect, because --fine-tune sets the number of epochs", ""
    if not config.fine_tune:
        reason = "no effect on a head in closed form, which has no epochs"
        gradient = GRADIENT in ARCHITECTURE_DEFAULTS[config.architecture].heads
        hint = ", or add --fine-tune N" + " or --head gradient" * gradient
    pronoun = "it" if len(flags) == 1 else "them"
    return f"{', '.join(flags)}: {reason}. Omit {pronoun}{hint}"


def _list_defaults(architecture: ArchitectureDefaults, head: str, fine_tune: int) -> dict[str, Any]:
    """The defaults that depend on the architecture and on its head."""
    values = asdict(architecture) | {"head": head, "fine_tune": fine_tune, "validation": 0.2}
    del values["normalisation"], values["heads"]
    if head == DISCRIMINANT:
        values |= FINE_TUNING
        if not fine_tune:
            values |= {"validation": 0.0, "augment": False}
    return values


def _check_values(config: TrainConfig) -> None:
    """Raise SettingError for a value that is not possible."""
    _check_choice("resize_mode", config.resize_mode, RESIZE_MODES)
    _check_choice("optimizer", config.optimizer, OPTIMIZERS)
    _check_choice("schedule", config.schedule, SCHEDULES)
    for name, limits in LIMITS.items():
        _check_limits(name, getattr(config, name), limits)
    _check_limits("epochs", config.epochs, (int(config.head == GRADIENT), None))
    if config.descends:
        _check_limits("validation", config.validation, VALIDATION_LIMITS)
    if not 0 < config.learning_rate < math.inf:
        raise SettingError(f"--learning-rate {config.learning_rate}: expected more than 0")
    if config.tensorboard and not find_spec("tensorboard"):
        raise SettingError("--tensorboard needs: pip install 'vedette-train[tensorboard]'")
    if not config.test and config.descends:
        closed = config.head == DISCRIMINANT
        fix = "set --fine-tune 0" if closed else "omit --architecture and --head"
        raise SettingError(f"--test 0 is only for a head in closed form: {fix}")


def _check_choice(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise SettingError(f"{_name_flag(name)} {value}: expected one of {', '.join(choices)}")


def _check_limits(name: str, value: float, limits: tuple[Any, Any]) -> None:
    low, high = limits
    if not low <= value <= (math.inf if high is None else high):
        expected = f"{low} or more" if high is None else f"{low} to {high}"
        raise SettingError(f"{_name_flag(name)} {value}: expected {expected}")


def _check_head(config: TrainConfig) -> None:
    """Raise SettingError for a head that the architecture cannot have."""
    defaults = ARCHITECTURE_DEFAULTS[config.architecture]
    if config.head not in defaults.heads:
        raise SettingError(
            f"--head {config.head} is not possible with {config.architecture}; "
            f"use {' or '.join(defaults.heads)}"
        )
    if config.fine_tune and not defaults.pretrained:
        raise SettingError(
            f"--fine-tune is for pretrained networks; {config.architecture} is not pretrained, "
            "all of it trains from the first epoch. Omit --fine-tune"
        )


def _name_flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"
