"""Comparison of two images by detail, to recognise one photograph in two versions."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image

SIDE_PX = 48
LEAST_CORRELATION = 0.982  # of the fine detail of two images that have been aligned
LEAST_COARSE = 0.9  # of the coarse detail, below which there is nothing to align
LEAST_LIGHT = 0.975  # of light and colour over large areas; less: another background
MOST_MOVED_PX = 0.05 * SIDE_PX  # by which an edge may be elsewhere
MOST_APART = 40.0  # grey levels, mean absolute difference of the light
MOST_APART_PLAIN = 3.0  # the same of images without detail
LEAST_DETAIL = 2.0  # grey levels, standard deviation, below which detail is noise
EVEN_LIGHT = 8.0  # grey levels, standard deviation, below which differences of light are small

_MARGIN_PX = 4  # missing from a cropped image, or distorted by blurring
_INNER = slice(_MARGIN_PX, SIDE_PX - _MARGIN_PX)
_PLACES = np.linspace(-1, 1, SIDE_PX, dtype=np.float32)  # of rows and columns, 0 in the middle
_DOWN, _RIGHT = np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX), indexing="ij")

Band = NDArray[np.float32]  # SIDE_PX x SIDE_PX x 3


@dataclass(frozen=True, slots=True)
class Detail:
    """A small image in bands of frequencies."""

    fine: Band  # about 0
    coarse: Band  # about 0
    light: Band  # 0..255


def reduce_image(image: Image) -> Image:
    """An image at the size for comparisons, the same for every size of the model's input."""
    return np.asarray(cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def compute_detail(reduced: Image) -> Detail:
    """The bands that images are compared by, as differences of Gaussians."""
    fine, coarse, light = (
        np.asarray(cv2.GaussianBlur(reduced.astype(np.float32), (0, 0), sigma), np.float32)
        for sigma in (1.0, 1.5, 4.5)
    )
    return Detail(fine - light, coarse - light, light)


def is_same_photo(one: Detail, other: Detail) -> bool:
    """True if two images show the same with every edge within MOST_MOVED_PX.

    Images without detail, such as an empty sky, are the same if they hardly differ anywhere.
    """
    apart = np.abs(one.light - other.light).mean()
    if min(_measure_deviation(one.fine), _measure_deviation(other.fine)) < LEAST_DETAIL:
        return bool(apart <= MOST_APART_PLAIN)
    if apart > MOST_APART:
        return False
    shift, correlation = _align(one.coarse, other.coarse)
    if correlation < LEAST_COARSE or np.abs(shift).max() > MOST_MOVED_PX:
        return False
    light = _measure_correlation(one.light, _move(other.light, shift), EVEN_LIGHT)
    _, correlation = _align(one.fine, _move(other.fine, shift))
    return light >= LEAST_LIGHT and correlation >= LEAST_CORRELATION


def _align(one: Band, other: Band) -> tuple[NDArray[np.float32], float]:
    """The shift and stretch of `other` that fits best, and the correlation then: -1..1.

    The shift is px down, px further down at the lower edge, px right, px further right at the
    right edge. One step of Lucas and Kanade, An Iterative Image Registration Technique, IJCAI
    1981, along the mean of both gradients.
    """
    first, second = _normalise(one), _normalise(other)
    down, right = np.gradient((first + second) / 2, axis=(0, 1))
    moves = np.stack([down, down * _PLACES[:, None, None], right, right * _PLACES[None, :, None]])[
        :, _INNER, _INNER
    ].reshape(4, -1)
    apart = (first - second)[_INNER, _INNER].ravel()
    explained = moves @ apart
    damping = 0.05 * np.eye(4, dtype=np.float32)  # no shift where there is no slope
    shift = np.linalg.solve(moves @ moves.T + damping, explained)
    rest = apart @ apart - explained @ shift
    return shift, float(1 - rest / (2 * apart.size))


def _move(band: Band, shift: NDArray[np.float32]) -> Band:
    down = _DOWN + shift[0] + shift[1] * _PLACES[:, None]
    right = _RIGHT + shift[2] + shift[3] * _PLACES[None, :]
    places = right.astype(np.float32), down.astype(np.float32)
    moved = cv2.remap(band, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _measure_correlation(one: Band, other: Band, least: float) -> float:
    """The correlation of two bands, higher if both vary by less than `least`: -1..1."""
    apart = _normalise(one, least) - _normalise(other, least)
    return float(1 - np.square(apart[_INNER, _INNER]).mean() / 2)


def _normalise(band: Band, least: float = 1e-6) -> Band:
    """A band minus its channels' means, over its standard deviation (without the margin).

    `least` is the smallest divisor, so that a band of less deviation is not amplified.
    """
    centred = band - band[_INNER, _INNER].mean(axis=(0, 1))
    return np.asarray(centred / max(_measure_deviation(centred), least), np.float32)


def _measure_deviation(band: Band) -> float:
    inner = band[_INNER, _INNER]
    return float(np.sqrt(np.square(inner - inner.mean(axis=(0, 1))).mean()))
