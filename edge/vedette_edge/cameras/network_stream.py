"""A network camera, rtsp:// or http://, through OpenCV's FFmpeg.

The address may contain a user name and a password: events and errors leave them out.
"""

import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import cv2

from vedette_edge.cameras import video_file
from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.cameras.opencv import convert_to_rgb, describe_capture
from vedette_edge.errors import CameraError
from vedette_edge.host.memory import limit_growth

if TYPE_CHECKING:
    from vedette_edge.cameras.tls_relay import Relay

OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 10_000, 5_000
PORTS = {"rtsp": 554, "http": 80}
CONNECT_S = 2.0  # to find out why a stream could not be opened
CPUS = min(os.cpu_count() or 1, 16)  # threads of OpenCV's FFmpeg
# Memory that FFmpeg may use until the size of the picture is known. A part of MJPEG may state any
# length, or have no end.
OPENING_BYTES = 96 << 20
MAX_PIXELS = 8192 * 4320  # of a frame: 8K
# Frames of 4:2:0 that decoding holds: at most 16 references, one or two a thread, and their copies
# in RGB. 1080p took 140 MB and 4K 533 MB with 4 threads.
HELD_FRAMES = 40 + 2 * CPUS
# A key and its value, as FFmpeg parses options: a backslash or quotes keep a separator in them.
_OPTION = re.compile(r"((?:\\.|'[^']*'|[^;|\\'])+);((?:\\.|'[^']*'|[^|\\'])+)")
ONE_PICTURE = "one picture, see 'Single pictures' in docs/cameras.md"
WAIT_S = 0.001  # in which nothing ran, before a frame that was waited for
MAX_BACKLOG_S = 0.3  # time to skip frames in


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The newest frames of a stream. A video file at such an address is played as a file.

    Raises CameraError if the stream cannot be opened, and when it breaks off.
    """
    limit_growth(OPENING_BYTES)
    with ExitStack() as stack:
        relay = _start_relay(config)
        if relay:
            stack.callback(relay.close)
        stream = _open_stream(config, relay)
        _limit_memory(stream, config)
        frame_count = stream.get(cv2.CAP_PROP_FRAME_COUNT)
        if frame_count == 1:
            raise CameraError(f"{config.name}: the stream has only {ONE_PICTURE}")
        on_event(CameraEvent("opened", describe_capture(stream)))
        if frame_count > 0:
            reopen = partial(_open_stream, config, relay)
            frames = video_file.read_frames(stream, reopen, config, on_event)
        else:
            frames = _read_frames(stream, config)
        return _close_after(frames, stack.pop_all())


def _limit_memory(stream: cv2.VideoCapture, config: CameraConfig) -> None:
    width, height = stream.get(cv2.CAP_PROP_FRAME_WIDTH), stream.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        raise CameraError(
            f"{config.name}: frames of {width:.0f} x {height:.0f} px; expected at most 8192 x 4320"
        )
    limit_growth(OPENING_BYTES + HELD_FRAMES * int(width * height * 1.5))


def _start_relay(config: CameraConfig) -> "Relay | None":
    """Start the relay to an encrypted camera, unless the user wants no certificate verified."""
    if not config.source.startswith(("https:", "rtsps:")):
        return None
    if parse_ffmpeg_options(os.environ.get(OPTIONS, "")).get("tls_verify") == "0":
        return None
    from vedette_edge.cameras.tls_relay import Relay  # only now: OpenSSL takes time and memory

    return Relay(config)


def _open_stream(config: CameraConfig, relay: "Relay | None") -> cv2.VideoCapture:
    parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
    parameters += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    address, options = (relay.address, relay.options) if relay else (config.source, "")
    begin_s = time.monotonic()
    with set_ffmpeg_options(options):
        stream = cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
    if not stream.isOpened():
        if relay and relay.refusal:
            raise relay.refusal
        limit_s = OPEN_TIMEOUT_MS / 1000
        too_slow = time.monotonic() - begin_s >= limit_s
        reason = f" within {limit_s:.0f} s" if too_slow else _explain_failure(config.source)
        raise CameraError(
            f"{config.name}: cannot be opened{reason}; expected a stream that FFmpeg reads. Check "
            "that the camera is on and reachable, and that address, user and password are right"
        )
    return stream


def _explain_failure(source: str) -> str:
    """Explain why no connection is possible, in brackets; empty if one is, or through a proxy."""
    if source.startswith("http:") and os.environ.get("http_proxy"):
        return ""
    import socket  # only now, as it takes time and memory

    try:
        address = urlsplit(source)
        server = address.hostname or "", address.port or PORTS[address.scheme]
        socket.create_connection(server, CONNECT_S).close()
    except OSError as error:
        return f" ({error.strerror or error})"
    except (ValueError, KeyError):  # FFmpeg refused it, too
        pass
    return ""


def parse_ffmpeg_options(text: str) -> dict[str, str]:
    """Parse options such as `rtsp_transport;tcp|timeout;5`, without those that are not valid."""
    return {key.strip(): value.strip() for key, value in _OPTION.findall(text)}


@contextmanager
def set_ffmpeg_options(required: str) -> Iterator[None]:
    """Set the options that OpenCV passes to FFmpeg; `required` take precedence over the user's.

    Leaves out what is not valid: FFmpeg would ignore all options behind it.
    """
    before = os.environ.get(OPTIONS)
    # FFmpeg's default for RTSP, UDP, loses packets on most wireless networks.
    options = parse_ffmpeg_options(before or "rtsp_transport;tcp")
    parts = (*(f"{key};{value}" for key, value in options.items()), required)
    os.environ[OPTIONS] = "|".join(filter(None, parts))
    try:
        yield
    finally:
        if before is None:
            del os.environ[OPTIONS]
        else:
            os.environ[OPTIONS] = before


def _close_after(frames: Frames, stack: ExitStack) -> Frames:
    with stack:
        yield from frames


def _read_frames(stream: cv2.VideoCapture, config: CameraConfig) -> Frames:
    number = 0
    try:
        while True:
            begin = time.perf_counter()
            count = grab_newest(stream)
            image_rgb = convert_to_rgb(*stream.retrieve()) if count else None
            if image_rgb is None:
                pictures = "" if number else ", and that its pictures are not too large to decode"
                single = f". For an address of {ONE_PICTURE}" if number < 2 else ""
                raise CameraError(
                    f"{config.name}: the stream broke off after {number} frames; "
                    f"check that the camera is on and reachable{pictures}{single}"
                )
            number += count
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, image_rgb, time.time(), capture_ms, config.name)
    finally:
        stream.release()


class Clocks(NamedTuple):
    """Clocks of this process, by which waiting differs from working."""

    time_s: float
    processor_s: float  # of all threads, so that their decoding is no waiting
    pauses: int  # times that this thread gave up the processor of its own accord


def read_clocks() -> Clocks:
    """Read the clocks."""
    pauses = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    return Clocks(time.monotonic(), time.process_time(), pauses)


def grab_newest(stream: cv2.VideoCapture, read_clocks: Callable[[], Clocks] = read_clocks) -> int:
    """Grab frames until one had to be waited for; return their count, 0 if a grab fails.

    Frames that are there already are a backlog: they queued while the stream was opened, or while
    nobody read. After MAX_BACKLOG_S the next frame is taken in any case.
    """
    before = begin = read_clocks()
    count = 0
    while True:
        count += 1
        if not stream.grab():
            return 0
        now = read_clocks()
        waited_s = now.time_s - before.time_s - (now.processor_s - before.processor_s)
        has_waited = now.pauses > before.pauses and waited_s > WAIT_S
        if has_waited or now.time_s - begin.time_s > MAX_BACKLOG_S:
            return count
        before = now
