"""A folder of images: once, in a loop, or followed for new images."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.errors import CameraError, ImageError
from vedette_edge.images import decoding, discovery

POLL_S = 0.25  # between two listings of a folder that is followed
MAX_POLL_S = 5.0  # the same in a folder so large that a listing takes long
LISTING_SHARE = 0.1  # of the time
PATIENCE_S = 5.0  # for the rest of an image file that has stopped growing


@dataclass(frozen=True, slots=True)
class Stamp:
    """Properties of a file. Another stamp means another image."""

    size: int  # bytes
    mtime_ns: int
    inode: int
    ctime_ns: int = field(compare=False)  # when it came; a change of its permissions counts, too


Arrival = tuple[int, str]  # ctime in ns and path: the order in which followed images are delivered


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The images in the folder and its subfolders, in the order of their names.

    Reports each file that it cannot read, once. If the folder is followed, delivers the images
    that are added or replaced from now on, each when it is complete; or those since the last look
    of a process that was replaced.
    """
    folder = Path(config.source)
    if config.follow:
        known = _read_stamps(folder)
        if config.looked_until:
            until = _parse_arrival(config.looked_until)
            known = {path: one for path, one in known.items() if _arrival(path, one) <= until}
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
            frame = _read_frame(path, number + 1, on_event)
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


def _read_frame(path: Path, number: int, on_event: OnCameraEvent) -> Frame | ImageError:
    on_event(CameraEvent("reading", str(path)))
    begin = time.perf_counter()
    try:
        image_rgb = decoding.read_image(path)
    except ImageError as error:
        return error
    capture_ms = 1000 * (time.perf_counter() - begin)
    return Frame(number, image_rgb, time.time(), capture_ms, str(path))


def _follow(folder: Path, known: dict[Path, Stamp], on_event: OnCameraEvent) -> Frames:
    """Deliver each image that is not `known`, once its stamp is stable between two listings.

    Reports each finished look, and each image before it is read: should it kill this process, the
    next one skips it.
    """
    number, since_s, pause_s = 0, dict[tuple[Path, Stamp], float](), POLL_S
    until = max((_arrival(*one) for one in known.items()), default=(0, ""))
    while True:
        on_event(CameraEvent("looked", _format_arrival(until)))
        time.sleep(pause_s)
        begin_s = time.monotonic()
        now = _read_stamps(folder)
        known = {path: it for path, it in known.items() if path in now or not _is_gone(path)}
        pause_s = min(MAX_POLL_S, max(POLL_S, (time.monotonic() - begin_s) / LISTING_SHARE))
        new = sorted(now.items() - known.items(), key=lambda one: _arrival(*one))
        since_s = {one: since_s.get(one, begin_s) for one in new}
        for path, stamp in new:
            if (age_s := time.monotonic() - since_s[path, stamp]) < POLL_S:
                continue
            until = max(until, _arrival(path, stamp))
            on_event(CameraEvent("looked", _format_arrival(until)))
            frame = _read_frame(path, number + 1, on_event)
            if isinstance(frame, Frame):
                known[path] = stamp
                number += 1
                yield frame
            elif age_s > PATIENCE_S:
                known[path] = stamp
                on_event(CameraEvent("skipped_file", f"skipped {frame}"))


def _is_gone(path: Path) -> bool:
    """False if a file only cannot be listed, as in a subfolder that may not be read."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, (FileNotFoundError, NotADirectoryError))
    return False


def _arrival(path: Path, stamp: Stamp) -> Arrival:
    return stamp.ctime_ns, str(path)


def _format_arrival(arrival: Arrival) -> str:
    return f"{arrival[0]} {arrival[1]}"


def _parse_arrival(text: str) -> Arrival:
    ctime_ns, _, path = text.partition(" ")
    return int(ctime_ns), path


def _read_stamps(folder: Path) -> dict[Path, Stamp]:
    """Read the stamps of all images in a folder."""
    try:
        paths = list(filter(discovery.is_image, discovery.find_files(folder)))
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}; expected a folder"
        raise CameraError(reason) from error
    stamps = {}
    for path in paths:
        with suppress(OSError):  # deleted since the listing
            status = path.stat()
            stamps[path] = Stamp(
                status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns
            )
    return stamps
