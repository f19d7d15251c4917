"""How the numbers of a graph may be held, and which runtimes it may be made for."""

from dataclasses import dataclass

QUANTIZATIONS = ("int8", "int16x8", "dynamic", "float16", "float32")
CALIBRATED = ("int8", "int16x8")  # activations are integers, whose ranges pictures set
RUNTIMES = OLD, NEW = ("tflite-2.14", "litert")


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a graph's weights and activations become."""

    quantization: str = "int8"  # one of QUANTIZATIONS
    dense_per_channel: bool = False  # tflite-runtime 2.14 on Arm crashes on such layers

    @property
    def calibrated(self) -> bool:
        """Whether pictures set the ranges of its activations."""
        return self.quantization in CALIBRATED


INT8, FLOAT32 = Scheme(), Scheme("float32")
