"""Frames as a watch hands them to its viewers, and what its socket says first."""

import socket
from pathlib import Path

import numpy as np

from vedette_edge.capture.originals import OriginalsFile
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import SharedPicture
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live.client import load_pixels
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.protocol import Packet

HELLO = {"model": "m.tflite", "labels": ["fox", "hen"]}
SCORES = np.array([0.75, 0.25], np.float32)
RULES = {"enter": 0.5, "leave": 0.3, "dwell": 1.0}
ORIGINALS = OriginalsFile(1)


def make_frame(number: int = 7, *, original: bool = True, size: int = 96) -> LiveFrame:
    input_rgb = draw_test_pattern(number, size, size)
    region = LiveRegion("door", input_rgb, SCORES, 1 - SCORES, "fox", 4.25, {"enter": 0.5})
    picture = share(number, draw_test_pattern(number, 1080, 1920)) if original else None
    return LiveFrame(number, 1.8e9, 12.34, picture, [region])


def share(number: int, image_rgb: Image) -> SharedPicture:
    """Share the picture of a frame, in the place of the one before."""
    height, width, scale = ORIGINALS.write(0, image_rgb)
    ORIGINALS.finish(0, number)
    picture = ORIGINALS.lend(0, number, (height, width), scale)
    assert picture
    return picture


def has_pixels(packet: Packet, expected: Image) -> bool:
    image_rgb = load_pixels(packet)
    return image_rgb is not None and np.array_equal(image_rgb, expected)


def open_raw(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    raw.settimeout(10)
    raw.connect(str(path))
    return raw
