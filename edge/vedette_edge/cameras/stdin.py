"""Standard input: JPEGs one after the other, or raw frames; `-` or `-:raw:640x480`."""

import os
import re
import select
import time
from collections.abc import Iterator

import numpy as np

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.errors import CameraError, ImageError, SettingError
from vedette_edge.images import decoding
from vedette_edge.images.image_header import check_pixels
from vedette_edge.images.jpeg_splitter import JpegSplitter
from vedette_edge.images.preprocessing import Image

DESCRIPTOR = 0
TIMEOUT_S = 8.0  # for more bytes


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The images on standard input until it ends. Reports each image that it cannot read.

    Raises CameraError when no data arrives for TIMEOUT_S, or when it ends without an image.
    """
    match = re.fullmatch(r"-(?::raw:([1-9]\d{0,4})x([1-9]\d{0,4}))?", config.source)
    if not match:
        raise SettingError(
            f"camera {config.name!r} is not valid; expected - for JPEGs or -:raw:WIDTHxHEIGHT "
            "for bytes R, G, B, such as -:raw:640x480"
        )
    if os.isatty(DESCRIPTOR):
        raise SettingError(
            "camera -: standard input is a terminal; expected JPEGs, "
            "such as rpicam-vid --timeout 0 --codec mjpeg --output - | vedette run ..."
        )
    if match[1] is None:
        on_event(CameraEvent("opened", "JPEG"))
        return _number_frames(_decode_jpegs(on_event), config.source)
    width, height = map(int, match.groups())
    try:
        check_pixels(width, height)
    except ImageError as error:
        raise SettingError(f"camera {config.name}: {error}") from error
    on_event(CameraEvent("opened", f"{width}x{height} raw RGB"))
    return _number_frames(_split_raw(height, width, on_event), config.source)


def _number_frames(images: Iterator[tuple[Image, float]], source: str) -> Frames:
    for number, (image_rgb, capture_ms) in enumerate(images, 1):
        yield Frame(number, image_rgb, time.time(), capture_ms, source)


def _decode_jpegs(on_event: OnCameraEvent) -> Iterator[tuple[Image, float]]:
    """Decode each image; yield it with the decoding time in ms."""
    splitter, received, seen = JpegSplitter(), 0, False
    for data in _read_chunks():
        received += len(data)
        for jpeg in splitter.feed(data):
            begin, seen = time.perf_counter(), True
            try:
                image_rgb = decoding.decode_image(jpeg)
            except ImageError as error:
                _report_skipped(on_event, f"a JPEG of {len(jpeg)} bytes", str(error))
                continue
            yield image_rgb, 1000 * (time.perf_counter() - begin)
    if splitter.rest:
        _report_skipped(on_event, "the last JPEG", f"cut off after {splitter.rest} bytes")
    elif not seen:
        other = f", but {received} other bytes" if received else ""
        raise CameraError(
            f"camera -: no JPEG came on standard input{other}; expected JPEGs, one after another, "
            "or -:raw:WIDTHxHEIGHT. Check the program that writes them"
        )


def _split_raw(height: int, width: int, on_event: OnCameraEvent) -> Iterator[tuple[Image, float]]:
    size, pending, data = height * width * 3, bytearray(), b""
    for data in _read_chunks():
        pending += data
        while len(pending) >= size:
            image_rgb = np.frombuffer(bytes(pending[:size]), np.uint8).reshape(height, width, 3)
            del pending[:size]
            yield image_rgb, 0.0
    if pending:
        _report_skipped(on_event, "the last frame", f"{len(pending)} of {size} bytes")
    elif not data:
        raise CameraError(
            f"camera -:raw:{width}x{height}: no frame came on standard input; "
            f"expected {size} bytes each. Check the program that writes them"
        )


def _report_skipped(on_event: OnCameraEvent, image: str, reason: str) -> None:
    on_event(CameraEvent("skipped_file", f"skipped {image} on standard input: {reason}"))


def _read_chunks() -> Iterator[bytes]:
    """Read bytes as they arrive, until the end."""
    while select.select([DESCRIPTOR], [], [], TIMEOUT_S)[0]:
        if not (data := os.read(DESCRIPTOR, 1 << 20)):
            return
        yield data
    raise CameraError(f"camera -: nothing on standard input for {TIMEOUT_S:.0f} s; expected images")
