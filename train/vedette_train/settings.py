"""How a run is made: what the command line said, in one object."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides what a run becomes, besides the photographs."""

    data: Path  # folder of the photographs
    architecture: str
    size: int  # px, height and width of the input
    fit: str  # how a picture's shape becomes the input's
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    validation: float  # share of the training part, 0..1
    test: float  # share of all photographs, 0..1
    seed: int
