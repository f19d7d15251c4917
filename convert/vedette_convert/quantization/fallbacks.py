"""What is tried when a graph loses too much, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette_convert.quantization.scheme import Scheme

LARGER = 500  # calibration pictures

# What costs something else, and is tried only if it is allowed: name -> what it costs.
ALLOWABLE = {
    "per-channel": "a scale for each output of Dense layers; needs --runtime litert",
    "int16x8": "16-bit activations: no delegate takes them, so many times slower",
    "dynamic": "8-bit weights, float activations: float32 in and out, somewhat slower",
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """One way to a graph."""

    name: str
    scheme: Scheme
    calibration: int  # pictures, where the scheme has any use for them
    clipped: bool = False  # without the pictures whose activations are outliers


def list_fallbacks(asked: Scheme, calibration: int, allowed: Sequence[str]) -> list[Fallback]:
    """What to try, best first; a caller stops at the first that passes.

    What can be known to change nothing without looking at pictures is left out.
    """
    larger = max(LARGER, calibration)
    remedies = [Fallback("as asked", asked, calibration)]
    if asked.calibrated:
        remedies += [
            Fallback("more calibration", asked, larger),
            Fallback("clipped calibration", asked, larger, clipped=True),
        ]
    for name in ALLOWABLE:
        scheme = _scheme(asked, name)
        if name in allowed and scheme != asked:
            remedies.append(Fallback(name, scheme, larger))
    return remedies


def untried(asked: Scheme, allowed: Sequence[str]) -> list[str]:
    """What --allow could still name."""
    return [name for name in ALLOWABLE if name not in allowed and _scheme(asked, name) != asked]


def _scheme(asked: Scheme, name: str) -> Scheme:
    if name == "per-channel":
        return replace(asked, dense_per_channel=True)
    return Scheme(name)
