"""A folder of pictures, once, in the order of their names."""

import time
from pathlib import Path

from vedette_edge import pictures
from vedette_edge.cameras.frame import Frame, Frames, Report
from vedette_edge.errors import CameraError, PictureError


def frames(folder: Path, report: Report, live: bool = False) -> Frames:
    """Every picture in the folder and in its folders. One that cannot be read is reported.

    `live` changes nothing: a folder has no rate of its own.
    """
    paths = pictures.pictures_in(folder)
    if not paths:
        endings = " ".join(sorted(pictures.ENDINGS))
        raise CameraError(f"{folder}: holds no picture, expected files ending in {endings}")
    return _frames(paths, report)


def _frames(paths: list[Path], report: Report) -> Frames:
    number = 0
    for path in paths:
        begin = time.perf_counter()
        try:
            picture_rgb = pictures.read(path)
        except PictureError as error:
            report(f"left out {error}")
            continue
        number += 1
        capture_ms = 1000 * (time.perf_counter() - begin)
        yield Frame(number, picture_rgb, time.time(), capture_ms, str(path))
