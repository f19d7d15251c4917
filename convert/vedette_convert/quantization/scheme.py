"""Quantization schemes, the settings of a conversion, and fallbacks for a graph that is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette_edge.errors import SettingError

QUANTIZATIONS = ("int8", "int16x8", "dynamic", "float16", "float32")
CALIBRATED = ("int8", "int16x8")  # activations are integers, whose ranges pictures set
RUNTIMES = OLD, NEW = ("tflite-2.14", "litert")
PER_CHANNEL = "per-channel"
LARGER = 500  # calibration pictures

# Fallbacks with a price, tried only if they are allowed: name -> the price.
ALLOWABLE = {
    PER_CHANNEL: "a scale for each output of Dense layers; needs --runtime litert",
    "int16x8": "16-bit activations: no delegate takes them, so many times slower",
    "dynamic": "8-bit weights, float activations: float32 in and out, somewhat slower",
}


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
    """The settings of a conversion: flags of `vedette-convert`, under the same names.

    Raises SettingError for a value that is not possible.
    """

    quantization: str = "int8"  # one of QUANTIZATIONS
    runtime: str = OLD  # one of RUNTIMES, which must be able to run the graph
    calibration: int = 100  # pictures of the training part
    allow: Sequence[str] = ()  # fallbacks, of ALLOWABLE

    def __post_init__(self) -> None:
        if isinstance(self.allow, str):
            object.__setattr__(self, "allow", (self.allow,))
        for flag, values, choices in (
            ("--quantization", (self.quantization,), QUANTIZATIONS),
            ("--runtime", (self.runtime,), RUNTIMES),
            ("--allow", self.allow, tuple(ALLOWABLE)),
        ):
            for value in values:
                if value not in choices:
                    raise SettingError(f"{flag} {value}: expected one of {', '.join(choices)}")
        if self.calibration < 1:
            raise SettingError(f"--calibration {self.calibration}: expected 1 or more")
        if PER_CHANNEL in self.allow and self.runtime != NEW:
            raise SettingError(
                f"--allow {PER_CHANNEL} needs --runtime {NEW}: tflite-runtime 2.14 crashes on Arm "
                "where Dense layers are quantized per channel"
            )

    @property
    def scheme(self) -> Scheme:
        """The scheme to try first."""
        return Scheme(self.quantization)


@dataclass(frozen=True, slots=True)
class Fallback:
    """A way to quantize a model."""

    name: str
    scheme: Scheme
    calibration: int  # pictures, if the scheme is calibrated
    without_outliers: bool = False  # without the pictures whose activations are outliers


def list_fallbacks(asked: Scheme, calibration: int, allowed: Sequence[str]) -> list[Fallback]:
    """List what to try, best first; the caller stops at the first that passes.

    Those that cannot change anything are left out.
    """
    larger = max(LARGER, calibration)
    fallbacks = [Fallback("first attempt", asked, calibration)]
    if asked.calibrated:
        fallbacks += [
            Fallback("more calibration", asked, larger),
            Fallback("calibration without outliers", asked, larger, without_outliers=True),
        ]
    for name in ALLOWABLE:
        scheme = replace(asked, dense_per_channel=True) if name == PER_CHANNEL else Scheme(name)
        if name in allowed and scheme != asked:
            fallbacks.append(Fallback(name, scheme, larger))
    return fallbacks


def list_untried(config: ConvertConfig) -> list[str]:
    """List flags that could still help a graph that loses too much, with what each needs."""
    if not config.scheme.calibrated:
        return ["--quantization float16"] if config.quantization == "dynamic" else []
    possible = (one.name for one in list_fallbacks(config.scheme, LARGER, tuple(ALLOWABLE)))
    untried = [name for name in possible if name in ALLOWABLE and name not in config.allow]
    needs = {PER_CHANNEL: "" if config.runtime == NEW else f" --runtime {NEW}"}
    return [f"--allow {name}{needs.get(name, '')}" for name in untried] + ["another --calibration"]
