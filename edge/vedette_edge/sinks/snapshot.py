"""The snapshot of a change: the original of the frame that caused it, as JPEG files."""

import json
from collections.abc import Mapping
from datetime import datetime

import cv2

from vedette_edge.images.encoding import encode_jpeg, encode_jpeg_within
from vedette_edge.images.exif import add_exif
from vedette_edge.images.preprocessing import Image
from vedette_edge.log.records import find_score

QUALITY = 90  # of the JPEG at full size
SMALL_BYTES = 60_000  # of the JPEG for a broker, which keeps it in memory
Rectangle = tuple[int, int, int, int]  # x, y, width, height in px; without a size, the whole frame
_MARK_RGB = (255, 200, 0)


class Snapshot:
    """The original of a frame until a thread compresses it, then its JPEG files."""

    def __init__(
        self, image_rgb: Image, record: Mapping[str, object], region: Rectangle = (0, 0, 0, 0)
    ) -> None:
        self.record = record
        self._image_rgb: Image | None = image_rgb
        self._region = region
        self._full = self._small = self._marked = b""

    def compress(self, *, full: bool, small: bool, marked: bool = False) -> None:
        """Make the JPEG files that are needed, and free the original. Later calls do nothing."""
        if self._image_rgb is None:
            return
        if full:
            self._full = self._encode(self._image_rgb)
        if small:
            self._small = encode_jpeg_within(self._image_rgb, SMALL_BYTES)
        if marked and self._region[2]:
            self._marked = self._encode(_draw_region(self._image_rgb, self._region))
        self._image_rgb = None

    @property
    def full(self) -> bytes:
        """The original's JPEG, with label, score and time in EXIF; empty if it was not made."""
        return self._full

    @property
    def small(self) -> bytes:
        """A JPEG of at most SMALL_BYTES; empty if it was not made."""
        return self._small

    @property
    def marked(self) -> bytes:
        """The same as `full` with the region drawn; empty for the whole frame."""
        return self._marked

    def _encode(self, image_rgb: Image) -> bytes:
        record = self.record
        description = f"{record['label']} {find_score(record):.2f}"
        taken_at = datetime.fromisoformat(str(record["time"])).timestamp()
        comment = json.dumps(record, ensure_ascii=False)
        return add_exif(encode_jpeg(image_rgb, QUALITY), description, taken_at, comment)


def _draw_region(image_rgb: Image, region: Rectangle) -> Image:
    """Draw a region's outline on a copy."""
    x, y, width, height = region
    marked_rgb = image_rgb.copy()
    thickness = max(1, image_rgb.shape[0] // 240)
    corner = x + width - 1, y + height - 1
    cv2.rectangle(marked_rgb, (x, y), corner, _MARK_RGB, thickness)
    return marked_rgb
