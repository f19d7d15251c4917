"""Quantization schemes, the runtimes that a graph may be for, and a conversion's settings."""

from dataclasses import dataclass

QUANTIZATIONS = ("int8", "int16x8", "dynamic", "float16", "float32")
CALIBRATED = ("int8", "int16x8")  # activations are integers, whose ranges pictures set
RUNTIMES = OLD, NEW = ("tflite-2.14", "litert")


@dataclass(frozen=True, slots=True)
class Scheme:
    """The number formats of a graph's weights and activations."""

    quantization: str = "int8"  # one of QUANTIZATIONS
    dense_per_channel: bool = False  # tflite-runtime 2.14 on Arm crashes on such layers

    @property
    def calibrated(self) -> bool:
        """True if pictures set the ranges of the activations."""
        return self.quantization in CALIBRATED


INT8, FLOAT32 = Scheme(), Scheme("float32")


@dataclass(frozen=True, slots=True)
class ConvertConfig:
    """The settings of a conversion."""

    scheme: Scheme = INT8
    runtime: str = OLD  # one of RUNTIMES, which must be able to run the graph
    calibration: int = 100  # pictures of the training part
    allowed: tuple[str, ...] = ()  # of ALLOWABLE
