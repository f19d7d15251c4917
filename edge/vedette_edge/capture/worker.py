"""The capture process: takes and preprocesses frames, so that a camera may block, die or leak.

The supervisor starts it, sends the CaptureConfig over a pipe and keeps that pipe open: when it
closes, the supervisor has gone, and the kernel kills this process too. Camera events go back
through a second pipe, each as a line of JSON. Standard error is a file in memory, whose last line
tells the supervisor why this process died.
"""

import fcntl
import json
import math
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass

import cv2

from vedette_edge.cameras import find_camera, open_frames
from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, OnCameraEvent
from vedette_edge.capture.frame_buffer import Crops, FrameBuffer, FrameInfo
from vedette_edge.capture.frozen import FrozenDetector
from vedette_edge.capture.motion import MotionDetector
from vedette_edge.capture.orientation import (
    Orientation,
    check_regions,
    crop_region,
    mask_regions,
    orient,
)
from vedette_edge.capture.region import Region
from vedette_edge.capture.skip_limiter import SkipLimiter
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.host.memory import begin_limits, limit_growth
from vedette_edge.images.image_header import MAX_PIXELS
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.images.preprocessing import Image, InputSpec, preprocess

# To decode and turn the largest image; network_stream.py bounds what comes from a network.
IMAGE_BYTES = 4 * 3 * MAX_PIXELS
OUT_OF_MEMORY = "a picture needs more memory than the capture process may use; use a smaller one"
STDERR, MAX_STDERR_BYTES = 2, 1 << 16
MAX_SOURCE_BYTES = 400  # of a file's name in a FrameInfo
# Some videos state the time of a frame in whole milliseconds.
TIME_STEP_S = 0.001
# A still scene is classified this often all the same, so that its label stays up to date.
MAX_STILL_S = 30.0


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """Settings of the capture process."""

    camera: CameraConfig
    orientation: Orientation
    input_spec: InputSpec
    regions: tuple[Region, ...]  # classified separately
    max_fps: float  # frames/s that are published; 0: all
    motion: float  # share of the image that must change for a frame to be published; 0: none
    every_frame: bool  # publish every frame, as of a folder, or only the newest
    masks: tuple[Region, ...] = ()  # made black in the upright frame, before anything uses it
    masked_size: str = ""  # of the frames that the masks are for; empty: that of the first frame

    @property
    def endless(self) -> bool:
        """True if the source has no end of its own: restart it when it stops."""
        return find_camera(self.camera).endless or self.camera.follow

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the published crops: regions x height x width x 3."""
        return (len(self.regions), self.input_spec.height, self.input_spec.width, 3)


class FrameSelector:
    """Selects the frames to classify, by the rate limit and by motion."""

    def __init__(self, config: CaptureConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = 1 / config.max_fps if config.max_fps else 0.0
        self._motion = MotionDetector(config.motion) if config.motion else None
        self._clock, self._due_s = clock, 0.0
        self._every_frame = config.every_frame
        self._still_until_s = math.inf if config.every_frame else 0.0
        self.skipped = 0

    def accept(self, image_rgb: Image, position_s: float = -1.0) -> bool:
        """True for a frame to classify; counts the others in `skipped`.

        A video file whose every frame is read, however fast, is paced by its own time.
        """
        now_s = position_s if self._every_frame and position_s >= 0 else self._clock()
        if now_s + TIME_STEP_S < self._due_s or self._is_still(image_rgb, now_s):
            self.skipped += 1
            return False
        # Keep the rate by counting from the due time, but do not make up for a long gap.
        on_time = now_s - self._due_s < self._period_s
        self._due_s = (self._due_s if on_time else now_s) + self._period_s
        self._still_until_s = max(self._still_until_s, now_s + MAX_STILL_S)
        return True

    def _is_still(self, image_rgb: Image, now_s: float) -> bool:
        if not self._motion or self._motion.detect(image_rgb):
            return False
        return now_s < self._still_until_s


class FrameOrienter:
    """Orients and masks frames, and passes over stray ones.

    Those are smaller than a crop or region, or of another size than the masks are for: there, a
    mask would lie over something else.
    """

    def __init__(self, config: CaptureConfig) -> None:
        self._config, self._fitted = config, False
        self._masked_size = config.masked_size

    def orient(self, frame: Frame, on_event: OnCameraEvent) -> Image | None:
        """Orient and mask a frame; None if it is stray.

        Raises SettingError if the first frame is: then the settings do not suit the camera.
        """
        try:
            image_rgb = orient(frame.image_rgb, self._config.orientation)
            check_regions(image_rgb, (*self._config.regions, *self._config.masks))
            self._check_masks(frame.image_rgb, on_event)
        except SettingError as error:
            if not self._fitted:
                raise
            if self._config.every_frame:
                on_event(CameraEvent("skipped_file", f"skipped {frame.source}: {error}"))
            return None
        self._fitted = True
        return mask_regions(image_rgb, self._config.masks) if self._config.masks else image_rgb

    def _check_masks(self, image_rgb: Image, on_event: OnCameraEvent) -> None:
        """Raise SettingError if the masks are for frames of another size than this one."""
        size = f"{image_rgb.shape[1]}x{image_rgb.shape[0]}"
        if not self._config.masks or size == self._masked_size:
            return
        if self._masked_size:
            raise SettingError(
                f"the frame is {size}, but the masks are for {self._masked_size}; "
                "let the camera deliver one size, or restart the watch with other masks"
            )
        self._masked_size = size
        on_event(CameraEvent("masked", size))


def main() -> None:
    """Run `python -m vedette_edge.capture.worker CONFIG EVENTS SHARED...`.

    The arguments are file descriptors: two pipes, and those of FrameBuffer.descriptors.
    """
    config_pipe, event_pipe, *shared = map(int, sys.argv[1:])
    with suppress(EOFError), open(config_pipe, "rb", closefd=False) as pipe:
        config: CaptureConfig = pickle.load(pipe)
    _plan_memory()
    _die_with_parent(config_pipe)  # also if the parent died before it sent the configuration

    def send(event: CameraEvent) -> None:
        os.write(event_pipe, json.dumps(asdict(event)).encode() + b"\n")

    buffer = FrameBuffer(config.shape, shared)
    try:
        capture(config, buffer, send)
    except SettingError as error:
        send(CameraEvent("misconfigured", str(error)))
    except (VedetteError, OSError) as error:
        send(CameraEvent("failed", str(error)))
    except Exception as error:
        if not _is_out_of_memory(error):
            traceback.print_exc()
            os._exit(1)
        send(CameraEvent("failed", OUT_OF_MEMORY))
    else:
        send(CameraEvent("ended"))
    os._exit(0)  # a camera's own threads may never end


def _plan_memory() -> None:
    """Keep what one frame takes for the next, up to a limit."""
    keep_large_blocks()
    begin_limits()
    limit_growth(IMAGE_BYTES)


def capture(config: CaptureConfig, buffer: FrameBuffer, on_event: OnCameraEvent) -> None:
    """Capture, preprocess and publish frames until the source ends. Raises SettingError."""
    waits = config.every_frame or find_camera(config.camera).waits(config.camera)
    limiter = SkipLimiter(on_event)
    if limits_skips(config.camera):
        on_event = limiter.report
    is_camera = find_camera(config.camera).endless
    orienter, selector, frozen = FrameOrienter(config), FrameSelector(config), FrozenDetector()
    with closing(open_frames(config.camera, on_event)) as frames, closing(limiter):
        for frame in frames:
            _drop_old_words()
            limiter.report_due()
            image_rgb = orienter.orient(frame, on_event)
            if image_rgb is None:
                selector.skipped += 1  # but no sign of life, so that the camera is lost at last
            elif not selector.accept(image_rgb, frame.position_s):
                buffer.mark_skipped(frame.number, selector.skipped)
            else:
                crops = _publish(frame, image_rgb, config, buffer, selector.skipped)
                if is_camera and frozen.detect(crops):
                    on_event(CameraEvent("frozen"))
                if waits:
                    buffer.wait_until_taken()


def limits_skips(config: CameraConfig) -> bool:
    """True for sources whose bad images may come without an end."""
    return config.follow or config.source.startswith("-")


def _publish(
    frame: Frame, image_rgb: Image, config: CaptureConfig, buffer: FrameBuffer, skipped: int
) -> Crops:
    taken_s, begin, crops = time.monotonic(), time.perf_counter(), buffer.write_slot()
    for slot, region in zip(crops, config.regions, strict=True):
        slot[:] = preprocess(crop_region(image_rgb, region), config.input_spec)
    height, width, scale = buffer.write_original(image_rgb)
    info = FrameInfo(
        number=frame.number,
        seen_at=frame.seen_at,
        taken_s=taken_s,
        capture_ms=frame.capture_ms,
        prepare_ms=1000 * (time.perf_counter() - begin),
        skipped=skipped,
        source=os.fsencode(frame.source)[-MAX_SOURCE_BYTES:],
        position_s=frame.position_s,
        original_height=height,
        original_width=width,
        original_scale=scale,
    )
    buffer.publish(info)
    return crops


def _is_out_of_memory(error: Exception) -> bool:
    """True for an allocation that failed, in Python or in OpenCV."""
    no_memory = getattr(error, "code", 0) == cv2.Error.StsNoMem
    return isinstance(error, MemoryError) or no_memory


def _drop_old_words() -> None:
    """Empty the file of standard error when it is large: only its end matters."""
    if os.lseek(STDERR, 0, os.SEEK_CUR) > MAX_STDERR_BYTES:
        os.ftruncate(STDERR, 0)
        os.lseek(STDERR, 0, os.SEEK_SET)


def _die_with_parent(config_pipe: int) -> None:
    """Ask the kernel to kill this process when the pipe closes, even if no Python runs then."""
    fcntl.fcntl(config_pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(config_pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(config_pipe, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):  # raised while the pipe is open
        os.read(config_pipe, 1)
        os._exit(0)


if __name__ == "__main__":
    main()
