"""A network camera, rtsp:// or http://, through OpenCV's FFmpeg.

The address may contain a user name and a password: events and errors leave them out.
"""

import os
import time

import cv2

from vedette_edge.cameras import video_file
from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.cameras.opencv import convert_to_rgb, describe_capture, read_frame_rate
from vedette_edge.errors import CameraError
from vedette_edge.host.memory import limit_growth

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 10_000, 5_000
CPUS = min(os.cpu_count() or 1, 16)  # threads of OpenCV's FFmpeg
# Memory that FFmpeg may use until the size of the picture is known. A part of MJPEG may state any
# length, or have no end. Each thread reserves 8 MB, here and in OpenCV.
OPENING_BYTES = (96 + 16 * CPUS) << 20
# Frames of 4:2:0 that decoding holds: at most 16 references, one or two a thread, and their copies
# in RGB. 1080p took 140 MB and 4K 533 MB with 4 threads.
HELD_FRAMES = 40 + 2 * CPUS
MAX_BACKLOG = 100  # frames that are skipped at once


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The newest frames of a stream. A video file at such an address is played as a file.

    Raises CameraError if the stream cannot be opened, and when it breaks off.
    """
    limit_growth(OPENING_BYTES)
    stream = _open_stream(config)
    width, height = stream.get(cv2.CAP_PROP_FRAME_WIDTH), stream.get(cv2.CAP_PROP_FRAME_HEIGHT)
    limit_growth(OPENING_BYTES + HELD_FRAMES * int(width * height * 1.5))
    on_event(CameraEvent("opened", describe_capture(stream)))
    if stream.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return video_file.read_frames(stream, lambda: _open_stream(config), config, on_event)
    return _read_frames(stream, config)


def _open_stream(config: CameraConfig) -> cv2.VideoCapture:
    parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
    parameters += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    # FFmpeg's default for RTSP, UDP, loses packets on most wireless networks.
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    stream = cv2.VideoCapture(config.source, cv2.CAP_FFMPEG, parameters)
    if not stream.isOpened():
        raise CameraError(
            f"{config.name}: cannot be opened within {OPEN_TIMEOUT_MS // 1000} s; expected a "
            "stream that FFmpeg reads. Check that the camera is on and reachable, and that "
            "address, user and password are right"
        )
    return stream


def _read_frames(stream: cv2.VideoCapture, config: CameraConfig) -> Frames:
    quick_s, number = 0.5 / (read_frame_rate(stream) or video_file.DEFAULT_RATE), 0
    try:
        while True:
            begin = time.perf_counter()
            count = grab_newest(stream, quick_s)
            image_rgb = convert_to_rgb(*stream.retrieve()) if count else None
            if image_rgb is None:
                pictures = "" if number else ", and that its pictures are not too large to decode"
                raise CameraError(
                    f"{config.name}: the stream broke off after {number} frames; "
                    f"check that the camera is on and reachable{pictures}"
                )
            number += count
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, image_rgb, time.time(), capture_ms, config.name)
    finally:
        stream.release()


def grab_newest(stream: cv2.VideoCapture, quick_s: float) -> int:
    """Grab frames until one takes longer than `quick_s`; return their count, 0 if a grab fails.

    Frames that arrive faster than the camera makes them are a backlog: they queued while the
    stream was opened, or while nobody read.
    """
    for count in range(1, MAX_BACKLOG):
        begin = time.monotonic()
        if not stream.grab():
            return 0
        if time.monotonic() - begin > quick_s:
            return count
    return MAX_BACKLOG - 1
