"""What the user says of a model that says too little of itself."""

from dataclasses import dataclass, fields

COLOURS = ("rgb", "bgr", "grey")  # orders of channels; `feeding` makes them


@dataclass(frozen=True, slots=True)
class Said:
    """What the user says of a model without a contract; None where nothing is said."""

    labels: tuple[str, ...] | None = None  # in the order of the outputs
    fit: str | None = None  # one of contract.FITS
    resize: str | None = None  # one of contract.RESIZES
    colour: str | None = None  # one of COLOURS
    mean: tuple[float, ...] | None = None  # of pixels 0..255: one number, or one a channel
    std: tuple[float, ...] | None = None  # in the channels' order as the model takes them

    def flags(self) -> str:
        """Those that are said, as one writes them."""
        said = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        return ", ".join(f"--{name}" for name in said)
