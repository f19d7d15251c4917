"""Settings of a model without a contract, as the user gives them."""

from dataclasses import dataclass, fields

COLOURS = ("rgb", "bgr", "grey")  # orders of channels that `input_encoder` produces


@dataclass(frozen=True, slots=True)
class ModelOverrides:
    """The user's statements about a model without a contract; None if not stated."""

    labels: tuple[str, ...] | None = None  # in the order of the outputs
    resize_mode: str | None = None  # one of contract.RESIZE_MODES
    resize_rule: str | None = None  # one of contract.RESIZE_RULES
    colour: str | None = None  # one of COLOURS
    mean: tuple[float, ...] | None = None  # of pixels 0..255: one number, or one per channel
    std: tuple[float, ...] | None = None  # in the order of the model's channels

    def list_flags(self) -> str:
        """The flags that set these overrides, such as "--mean, --std"."""
        names = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        return ", ".join(f"--{name.replace('_', '-')}" for name in names)
