"""A folder of images: once, in a loop, or followed for new images."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.errors import CameraError, ImageError
from vedette_edge.images import decoding, discovery

POLL_S = 0.25  # between two listings of a folder that is followed
PATIENCE_S = 5.0  # for the rest of an image file that has stopped growing

Stamp = tuple[int, int, int]  # size in bytes, mtime in ns, inode: a new stamp means a new image


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The images in the folder and its subfolders, in the order of their names.

    Reports each file that it cannot read, once. If the folder is followed, delivers the images
    that are added or replaced from now on, each when it is complete.
    """
    folder = Path(config.source)
    if config.follow:
        known = _read_stamps(folder)
        on_event(CameraEvent("opened", f"new images beside {len(known)} old ones"))
        return _follow(folder, known, on_event)
    paths = _list_images(folder)
    on_event(CameraEvent("opened", f"{len(paths)} images"))
    return _read_frames(paths, config, on_event)


def _list_images(folder: Path) -> list[Path]:
    if not (paths := discovery.find_images(folder)):
        endings = " ".join(sorted(discovery.EXTENSIONS))
        raise CameraError(f"{folder}: contains no image; expected files ending in {endings}")
    return paths


def _read_frames(paths: list[Path], config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    folder, number, bad = Path(config.source), 0, set[Path]()
    while True:
        before = number
        for path in paths:
            frame = _read_frame(path, number + 1)
            if isinstance(frame, Frame):
                number += 1
                yield frame
            elif path not in bad:
                bad.add(path)
                on_event(CameraEvent("skipped_file", f"skipped {frame}"))
        if not config.loop:
            return
        if number == before:
            raise CameraError(f"{folder}: contains no readable image")
        paths = _list_images(folder)


def _read_frame(path: Path, number: int) -> Frame | ImageError:
    begin = time.perf_counter()
    try:
        image_rgb = decoding.read_image(path)
    except ImageError as error:
        return error
    capture_ms = 1000 * (time.perf_counter() - begin)
    return Frame(number, image_rgb, time.time(), capture_ms, str(path))


def _follow(folder: Path, known: Mapping[Path, Stamp], on_event: OnCameraEvent) -> Frames:
    """Deliver each image that is not `known`, once its stamp is stable between two listings."""
    number, since_s = 0, dict[tuple[Path, Stamp], float]()
    while True:
        time.sleep(POLL_S)
        now = _read_stamps(folder)
        known = {path: stamp for path, stamp in known.items() if path in now}
        new = sorted(now.items() - known.items())
        since_s = {one: since_s.get(one, time.monotonic()) for one in new}
        for path, stamp in new:
            if (age_s := time.monotonic() - since_s[path, stamp]) < POLL_S:
                continue
            frame = _read_frame(path, number + 1)
            if isinstance(frame, Frame):
                known[path] = stamp
                number += 1
                yield frame
            elif age_s > PATIENCE_S:
                known[path] = stamp
                on_event(CameraEvent("skipped_file", f"skipped {frame}"))


def _read_stamps(folder: Path) -> dict[Path, Stamp]:
    """Read the stamps of all images in a folder."""
    try:
        paths = discovery.find_images(folder)
    except OSError as error:
        raise CameraError(f"{folder}: {error.strerror or error}; expected a folder") from error
    stamps = {}
    for path in paths:
        with suppress(OSError):  # deleted since the listing
            status = path.stat()
            stamps[path] = status.st_size, status.st_mtime_ns, status.st_ino
    return stamps
