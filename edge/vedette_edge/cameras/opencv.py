"""Properties and images of a cv2.VideoCapture, for the sources that OpenCV opens."""

import math

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image


def describe_capture(capture: cv2.VideoCapture) -> str:
    """Describe size, format and rate as the source states them, such as `640x480 MJPG 30/s`."""
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    rate = read_frame_rate(capture)
    parts = [f"{width:.0f}x{height:.0f}", _read_fourcc(capture), f"{rate:.4g}/s" if rate else ""]
    return " ".join(filter(None, parts))


def read_frame_rate(capture: cv2.VideoCapture) -> float:
    """Read the rate that the source states, frames/s; 0 if it states none."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else 0.0


def convert_to_rgb(success: bool, image_bgr: object) -> Image | None:
    """Convert the result of `read` or `retrieve` to RGB; None if it is not an image."""
    if not success or not isinstance(image_bgr, np.ndarray) or not image_bgr.size:
        return None
    if image_bgr.dtype != np.uint8 or image_bgr.ndim != 3 or image_bgr.shape[2] != 3:
        return None
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _read_fourcc(capture: cv2.VideoCapture) -> str:
    """Read the four letters of the format; empty if the source has none."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = (code & 0xFFFFFFFF).to_bytes(4, "little").decode("ascii", "replace").rstrip("\0 ")
    return letters if letters.isascii() and letters.isprintable() else ""
