"""Standard input: JPEGs one after the other, or raw frames; `-` or `-:raw:640x480`."""

import os
import re
import select
import time
from collections.abc import Iterator

import numpy as np

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Report, Reports
from vedette_edge.errors import CameraError, ImageError, SettingError
from vedette_edge.images import decoding
from vedette_edge.images.jpeg_splitter import JpegSplitter
from vedette_edge.images.preprocessing import Image

DESCRIPTOR = 0
WAIT_S = 8.0  # for more


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The pictures that come in, until the input ends; one that cannot be read is reported.

    Raises CameraError when nothing comes for a while.
    """
    found = re.fullmatch(r"-(?::raw:([1-9]\d{0,4})x([1-9]\d{0,4}))?", wish.source)
    if not found:
        raise SettingError(
            f"camera {wish.source!r} is not understood; expected - for JPEGs or -:raw:WIDTHxHEIGHT "
            "for bytes R, G, B, such as -:raw:640x480"
        )
    if os.isatty(DESCRIPTOR):
        raise SettingError(
            "camera -: standard input is a terminal; expected JPEGs, "
            "such as rpicam-vid --timeout 0 --codec mjpeg --output - | vedette run ..."
        )
    if found[1] is None:
        reports.delivers("JPEG")
        return _numbered(_jpegs(reports.left_out), wish.source)
    width, height = map(int, found.groups())
    reports.delivers(f"{width}x{height} raw RGB")
    return _numbered(_raw(height, width, reports.left_out), wish.source)


def _numbered(decoded: Iterator[tuple[Image, float]], source: str) -> Frames:
    for number, (picture_rgb, capture_ms) in enumerate(decoded, 1):
        yield Frame(number, picture_rgb, time.time(), capture_ms, source)


def _jpegs(left_out: Report) -> Iterator[tuple[Image, float]]:
    """Each picture and how many ms its decoding took."""
    cutter = JpegSplitter()
    for data in _arriving():
        for jpeg in cutter.feed(data):
            begin = time.perf_counter()
            try:
                picture_rgb = decoding.decode_image(jpeg)
            except ImageError as error:
                left_out(f"left out a JPEG of {len(jpeg)} bytes on standard input: {error}")
                continue
            yield picture_rgb, 1000 * (time.perf_counter() - begin)
    if cutter.rest:
        left_out(f"left out the last JPEG on standard input: cut off after {cutter.rest} bytes")


def _raw(height: int, width: int, left_out: Report) -> Iterator[tuple[Image, float]]:
    size, held = height * width * 3, bytearray()
    for data in _arriving():
        held += data
        while len(held) >= size:
            picture_rgb = np.frombuffer(bytes(held[:size]), np.uint8).reshape(height, width, 3)
            del held[:size]
            yield picture_rgb, 0.0
    if held:
        left_out(f"left out the last frame on standard input: {len(held)} of {size} bytes")


def _arriving() -> Iterator[bytes]:
    """Bytes as they come, until the end."""
    while select.select([DESCRIPTOR], [], [], WAIT_S)[0]:
        if not (data := os.read(DESCRIPTOR, 1 << 20)):
            return
        yield data
    raise CameraError(f"camera -: nothing on standard input for {WAIT_S:.0f} s; expected pictures")
