"""What the sources that OpenCV opens have in common."""

import math

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image


def delivers(capture: cv2.VideoCapture) -> str:
    """Size, format and rate as the source states them, such as `640x480 MJPG 30/s`."""
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    rate = rate_of(capture)
    stated = [f"{width:.0f}x{height:.0f}", _format_of(capture), f"{rate:.4g}/s" if rate else ""]
    return " ".join(filter(None, stated))


def rate_of(capture: cv2.VideoCapture) -> float:
    """Frames/s as the source states them; 0 if it does not."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else 0.0


def rgb_of(taken: bool, picture_bgr: object) -> Image | None:
    """What `read` or `retrieve` gave, as R G B; None for nothing, and for what is no picture."""
    if not taken or not isinstance(picture_bgr, np.ndarray) or not picture_bgr.size:
        return None
    if picture_bgr.dtype != np.uint8 or picture_bgr.ndim != 3 or picture_bgr.shape[2] != 3:
        return None
    return np.asarray(cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _format_of(capture: cv2.VideoCapture) -> str:
    """The four letters of its format, or nothing."""
    number = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = (number & 0xFFFFFFFF).to_bytes(4, "little").decode("ascii", "replace").rstrip("\0 ")
    return letters if letters.isascii() and letters.isprintable() else ""
