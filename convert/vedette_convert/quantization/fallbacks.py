"""Fallbacks for a graph that loses too much accuracy, in the order of trying."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette_convert.quantization.scheme import Scheme

LARGER = 500  # calibration pictures

# Fallbacks with a price, tried only if they are allowed: name -> the price.
ALLOWABLE = {
    "per-channel": "a scale for each output of Dense layers; needs --runtime litert",
    "int16x8": "16-bit activations: no delegate takes them, so many times slower",
    "dynamic": "8-bit weights, float activations: float32 in and out, somewhat slower",
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A way to quantize a model."""

    name: str
    scheme: Scheme
    calibration: int  # pictures, if the scheme is calibrated
    clipped: bool = False  # without the pictures whose activations are outliers


def list_fallbacks(asked: Scheme, calibration: int, allowed: Sequence[str]) -> list[Fallback]:
    """List what to try, best first; the caller stops at the first that passes.

    Those that cannot change anything are left out.
    """
    larger = max(LARGER, calibration)
    fallbacks = [Fallback("as asked", asked, calibration)]
    if asked.calibrated:
        fallbacks += [
            Fallback("more calibration", asked, larger),
            Fallback("clipped calibration", asked, larger, clipped=True),
        ]
    for name in ALLOWABLE:
        scheme = _change_scheme(asked, name)
        if name in allowed and scheme != asked:
            fallbacks.append(Fallback(name, scheme, larger))
    return fallbacks


def list_untried(asked: Scheme, allowed: Sequence[str]) -> list[str]:
    """List the names that --allow could still add."""
    names = (name for name in ALLOWABLE if name not in allowed)
    return [name for name in names if _change_scheme(asked, name) != asked]


def _change_scheme(asked: Scheme, name: str) -> Scheme:
    return replace(asked, dense_per_channel=True) if name == "per-channel" else Scheme(name)
