"""A folder of pictures: once, again and again, or watched for new ones."""

import time
from collections.abc import Mapping
from pathlib import Path

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Report, Reports
from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.errors import CameraError, ImageError
from vedette_edge.images import decoding, discovery

POLL_S = 0.25  # between two looks at a folder that is watched
PATIENCE_S = 5.0  # for the rest of a picture of which nothing more arrives

Stamp = tuple[int, int, int]  # bytes, ns of its last change, inode: another one is another picture


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """Every picture in the folder and in its folders, in the order of their names.

    One that cannot be read is reported, once. A folder that is followed gives what appears in it,
    or is replaced in it, from now on, when it is whole.
    """
    folder = Path(wish.source)
    if wish.follow:
        known = _stamps(folder)
        reports.delivers(f"new pictures beside the {len(known)} that are there")
        return _followed(folder, known, reports.left_out)
    paths = _pictures_in(folder)
    reports.delivers(f"{len(paths)} pictures")
    return _frames(folder, paths, wish, reports.left_out)


def _pictures_in(folder: Path) -> list[Path]:
    if not (paths := discovery.find_images(folder)):
        endings = " ".join(sorted(discovery.EXTENSIONS))
        raise CameraError(f"{folder}: holds no picture, expected files ending in {endings}")
    return paths


def _frames(folder: Path, paths: list[Path], wish: CameraConfig, left_out: Report) -> Frames:
    pace, number, bad = RateLimiter(wish.fps), 0, set[Path]()
    while True:
        before = number
        for path in paths:
            pace.wait()
            frame = _frame(path, number + 1)
            if isinstance(frame, Frame):
                number += 1
                yield frame
            elif path not in bad:
                bad.add(path)
                left_out(f"left out {frame}")
        if not wish.loop:
            return
        if number == before:
            raise CameraError(f"{folder}: holds no picture that can be read")
        paths = _pictures_in(folder)


def _frame(path: Path, number: int) -> Frame | ImageError:
    begin = time.perf_counter()
    try:
        picture_rgb = decoding.read_image(path)
    except ImageError as error:
        return error
    capture_ms = 1000 * (time.perf_counter() - begin)
    return Frame(number, picture_rgb, time.time(), capture_ms, str(path))


def _followed(folder: Path, known: Mapping[Path, Stamp], left_out: Report) -> Frames:
    """What is not `known` and did not change between two looks is read."""
    number, since_s = 0, dict[tuple[Path, Stamp], float]()
    while True:
        time.sleep(POLL_S)
        now = _stamps(folder)
        known = {path: stamp for path, stamp in known.items() if path in now}
        new = sorted(now.items() - known.items())
        since_s = {one: since_s.get(one, time.monotonic()) for one in new}
        for path, stamp in new:
            if (age_s := time.monotonic() - since_s[path, stamp]) < POLL_S:
                continue
            frame = _frame(path, number + 1)
            if isinstance(frame, Frame):
                known[path] = stamp
                number += 1
                yield frame
            elif age_s > PATIENCE_S:
                known[path] = stamp
                left_out(f"left out {frame}")


def _stamps(folder: Path) -> dict[Path, Stamp]:
    """The pictures in a folder as they are now."""
    try:
        paths = discovery.find_images(folder)
    except OSError as error:
        raise CameraError(f"{folder}: {error.strerror or error}; expected a folder") from error
    return {path: stamp for path in paths if (stamp := _stamp(path))}


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:  # it went since it was listed
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
