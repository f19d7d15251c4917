"""Settings of a model without a contract, as the user gives them."""

from dataclasses import dataclass, fields

COLOURS = ("rgb", "bgr", "grey")  # orders of channels; `input_encoder` makes them


@dataclass(frozen=True, slots=True)
class ModelOverrides:
    """Settings that replace a missing contract; None means not set."""

    labels: tuple[str, ...] | None = None  # in the order of the outputs
    resize_mode: str | None = None  # one of contract.RESIZE_MODES
    resize_rule: str | None = None  # one of contract.RESIZE_RULES
    colour: str | None = None  # one of COLOURS
    mean: tuple[float, ...] | None = None  # of pixels 0..255: one number, or one per channel
    std: tuple[float, ...] | None = None  # in the order of the model's channels

    def flags(self) -> str:
        """The flags of all settings that are set."""
        names = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        return ", ".join(f"--{name.replace('_', '-')}" for name in names)
