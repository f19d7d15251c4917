"""Whether two pictures are one photograph but for its size, compression, light, edges and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import LETTERBOX_GREY, Image

SIDE_PX = 48
LEAST_CORRELATION = 0.982  # of the fine detail of two pictures that have been aligned
LEAST_COARSE = 0.9  # of the coarse detail, below which there is nothing to align
LEAST_LIGHT = 0.975  # of light and colour over large areas: the same thing before another ground
MOST_MOVED_PX = 0.05 * SIDE_PX  # by which an edge may lie elsewhere
MOST_APART = 40.0  # grey levels, mean absolute difference of the light
MOST_APART_PLAIN = 3.0  # the same of pictures without detail
LEAST_DETAIL = 2.0  # grey levels, standard deviation, below which detail is noise
EVEN_LIGHT = 8.0  # grey levels, standard deviation, below which differences of light are small

_MARGIN_PX = 4  # what a cropped picture does not have, and what blurring spoils
_INNER = slice(_MARGIN_PX, SIDE_PX - _MARGIN_PX)
_PLACES = np.linspace(-1, 1, SIDE_PX, dtype=np.float32)  # of rows and columns, 0 in the middle
_DOWN, _RIGHT = np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX), indexing="ij")

Band = NDArray[np.float32]  # SIDE_PX x SIDE_PX x 3


@dataclass(frozen=True, slots=True)
class Detail:
    """A small picture in bands of frequencies."""

    fine: Band  # about 0
    coarse: Band  # about 0
    light: Band  # 0..255


def strip_letterbox(prepared: Image) -> Image:
    """A prepared picture without the bars of a letterbox, which all would have in common."""
    if (prepared[[0, -1], [0, -1]] != LETTERBOX_GREY).any(axis=1).all():
        return prepared
    own = (prepared != LETTERBOX_GREY).any(axis=2)
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    if not len(rows):
        return prepared
    return prepared[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def compute_detail(picture: Image) -> Detail:
    """What pictures are compared by: uint8 of any size, made small; differences of Gaussians."""
    small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    fine, coarse, light = (
        np.asarray(cv2.GaussianBlur(small.astype(np.float32), (0, 0), sigma), np.float32)
        for sigma in (1.0, 1.5, 4.5)
    )
    return Detail(fine - light, coarse - light, light)


def is_same_photo(one: Detail, other: Detail) -> bool:
    """Whether two pictures show the same, no edge of it further than MOST_MOVED_PX from the other.

    Pictures without detail, such as an empty sky, are alike if they hardly differ anywhere.
    """
    apart = np.abs(one.light - other.light).mean()
    if min(_measure_deviation(one.fine), _measure_deviation(other.fine)) < LEAST_DETAIL:
        return bool(apart <= MOST_APART_PLAIN)
    if apart > MOST_APART:
        return False
    move, correlation = _align(one.coarse, other.coarse)
    if correlation < LEAST_COARSE or np.abs(move).max() > MOST_MOVED_PX:
        return False
    light = _measure_correlation(one.light, _move(other.light, move), EVEN_LIGHT)
    _, correlation = _align(one.fine, _move(other.fine, move))
    return light >= LEAST_LIGHT and correlation >= LEAST_CORRELATION


def _align(one: Band, other: Band) -> tuple[NDArray[np.float32], float]:
    """How to move and stretch the other, and how well the two then correlate: -1..1.

    The move is px down, px further down at the lower edge, px right, px further right at the
    right edge. One step of Lucas and Kanade, An Iterative Image Registration Technique, IJCAI
    1981, along the mean of both gradients.
    """
    ours, theirs = _normalise(one), _normalise(other)
    down, right = np.gradient((ours + theirs) / 2, axis=(0, 1))
    moves = np.stack([down, down * _PLACES[:, None, None], right, right * _PLACES[None, :, None]])[
        :, _INNER, _INNER
    ].reshape(4, -1)
    apart = (ours - theirs)[_INNER, _INNER].ravel()
    explained = moves @ apart
    damping = 0.05 * np.eye(4, dtype=np.float32)  # where there is no slope, nothing moves
    move = np.linalg.solve(moves @ moves.T + damping, explained)
    left = apart @ apart - explained @ move
    return move, float(1 - left / (2 * apart.size))


def _move(band: Band, move: NDArray[np.float32]) -> Band:
    down = _DOWN + move[0] + move[1] * _PLACES[:, None]
    right = _RIGHT + move[2] + move[3] * _PLACES[None, :]
    places = right.astype(np.float32), down.astype(np.float32)
    moved = cv2.remap(band, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _measure_correlation(one: Band, other: Band, least: float) -> float:
    """How two bands correlate; more, the less there is in either: -1..1."""
    apart = _normalise(one, least) - _normalise(other, least)
    return float(1 - np.square(apart[_INNER, _INNER]).mean() / 2)


def _normalise(band: Band, least: float = 1e-6) -> Band:
    """Without the mean of each channel, of standard deviation 1 (but for the margin) or less.

    `least` is the deviation below which the band is not made stronger.
    """
    centred = band - band[_INNER, _INNER].mean(axis=(0, 1))
    return np.asarray(centred / max(_measure_deviation(centred), least), np.float32)


def _measure_deviation(band: Band) -> float:
    inner = band[_INNER, _INNER]
    return float(np.sqrt(np.square(inner - inner.mean(axis=(0, 1))).mean()))
