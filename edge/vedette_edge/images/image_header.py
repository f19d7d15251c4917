"""The format and the size that the first bytes of an image state, read before any decoder runs.

A file of a few bytes can hold an image that fills the memory, or thousands of scans.
"""

import re
import struct
from collections.abc import Callable, Iterator

import numpy as np

from vedette_edge.errors import ImageError

HEIF = ("HEIC", "AVIF")  # formats whose decoder is optional, and which it measures itself
MAX_PIXELS = 100_000_000  # of an image that is decoded
MAX_SCANS = 10  # times MAX_PIXELS, in the scans of a progressive JPEG together

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_HEIF_BRANDS = {  # ISO/IEC 23008-12, and AV1 Image File Format
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_MOST_BRANDS = 64  # that are read
_MOST_PARTS = 100_000  # segments of a JPEG, or chunks of a PNG, so that following them is quick
# JPEG's markers that a segment follows; libjpeg skips the others, some of them only in a scan.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_END, _SCAN = 0xD9, 0xDA
_TIFF_WIDTHS, _TIFF_HEIGHTS = (256, 322), (257, 323)  # tags of the image, and of its tiles
_TIFF_BYTES = (279, 325)  # tags of the lengths of strips, and of tiles
_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}  # whole numbers

Size = tuple[int, int]  # width and height, px


def detect_format(data: bytes) -> str:
    """Detect JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF by the first bytes; "" for others."""
    if data[4:8] == b"ftyp":
        return _detect_heif_format(data)
    if data[:4] == b"RIFF":
        return "WebP" if data[8:12] == b"WEBP" else ""
    return next((name for begin, name in _SIGNATURES.items() if data.startswith(begin)), "")


def check_size(data: bytes) -> None:
    """Raise ImageError for an image that states more than MAX_PIXELS, or too many scans of them.

    Leaves HEIC and AVIF to their decoder.
    """
    if detect_format(data) in HEIF:
        return
    check_pixels(*read_size(data))
    if count_pixels(data) > MAX_SCANS * MAX_PIXELS:
        raise ImageError("a JPEG of too many scans for its size; save it again, not progressive")


def check_pixels(width: int, height: int) -> None:
    """Raise ImageError for a size of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        most = f"at most {MAX_PIXELS // 10**6} million pixels are decoded; reduce its size"
        raise ImageError(f"a picture of {width} x {height} px, but {most}")


def count_pixels(data: bytes) -> int:
    """Count the pixels that decoding takes: of a progressive JPEG, those of all its scans."""
    width, height = read_size(data)
    return width * height * (_count_scans(data) if detect_format(data) == "JPEG" else 1)


def read_size(data: bytes) -> Size:
    """Read the size that a file states, before any rotation.

    Raises ImageError if it states none, and for formats other than those in _READERS.
    """
    kind = detect_format(data)
    try:
        return _READERS[kind](data)
    except (ValueError, struct.error, IndexError, KeyError) as error:
        reason = f"a {kind} file that is damaged or cut off" if kind else "not a picture"
        raise ImageError(reason) from error


def _detect_heif_format(data: bytes) -> str:
    """Detect HEIC or AVIF by the first coding brand in box ftyp; mif1 and msf1 hold either."""
    end = min(int.from_bytes(data[:4], "big"), 16 + 4 * _MOST_BRANDS)
    brands = (data[8:12], *(data[at : at + 4] for at in range(16, end, 4)))
    container = "HEIC" if brands[0] in (b"mif1", b"msf1") else ""
    return next((_HEIF_BRANDS[brand] for brand in brands if brand in _HEIF_BRANDS), container)


def _read_jpeg_size(data: bytes) -> Size:
    frame = next((at for marker, at in _walk_jpeg(data) if marker in _FRAMES), len(data))
    height, width = struct.unpack_from(">HH", data, frame + 3)
    return width, height


def _count_scans(data: bytes) -> int:
    return max(1, sum(marker == _SCAN for marker, _ in _walk_jpeg(data)))


def _walk_jpeg(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker and where its segment begins, as libjpeg finds them, up to the end.

    Behind the end, phones append a video, in which any bytes occur.
    """
    at = 2
    for _ in range(_MOST_PARTS):
        match = _MARKER.search(data, at)
        if not match or match[1][0] == _END:
            return
        at = match.end()
        yield match[1][0], at
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise IndexError("too many segments")


def _read_png_size(data: bytes) -> Size:
    """Read the size, if all chunks lie within the file: OpenCV allocates what they state."""
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    for _ in range(_MOST_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if kind == b"IEND" and at <= len(data):
            return width, height
    raise IndexError("too many chunks")


def _read_webp_size(data: bytes) -> Size:
    """Read the canvas, or without one the size of the only image (RFC 9649)."""
    if data[12:16] == b"VP8X":
        low = struct.unpack_from("<HBHB", data, 24)
        return 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16)
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _read_gif_size(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _read_bmp_size(data: bytes) -> Size:
    """Read the size; a height below 0 means that the rows begin at the top."""
    header_bytes = struct.unpack_from("<I", data, 14)[0]
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _read_tiff_size(data: bytes) -> Size:
    """Read the largest size that the first directory states, of the image or of its tiles."""
    order = ">" if data[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    tags: dict[int, int] = {}
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{order}H", data, at)
        if tag in tags:
            raise IndexError("a tag that is there twice")
        if tag in (*_TIFF_WIDTHS, *_TIFF_HEIGHTS, *_TIFF_BYTES):
            tags[tag] = _read_tiff_largest(data, order, at)
    width, height, most = (
        max(tags.get(tag, 0) for tag in both) for both in (_TIFF_WIDTHS, _TIFF_HEIGHTS, _TIFF_BYTES)
    )
    if most > len(data):  # old libtiffs allocate it
        raise IndexError("a strip beyond the end")
    return width, height


def _read_tiff_largest(data: bytes, order: str, at: int) -> int:
    """Read the largest number of an entry in a directory."""
    kind, count = struct.unpack_from(f"{order}HI", data, at + 2)
    numbers = np.dtype(order + _TIFF_TYPES[kind])
    if count * numbers.itemsize > 4:
        (start,) = struct.unpack_from(f"{order}I", data, at + 8)
    else:
        start = at + 8
    return int(np.frombuffer(data, numbers, count, start).max(initial=0))


_READERS: dict[str, Callable[[bytes], Size]] = {
    "JPEG": _read_jpeg_size,
    "PNG": _read_png_size,
    "WebP": _read_webp_size,
    "GIF": _read_gif_size,
    "BMP": _read_bmp_size,
    "TIFF": _read_tiff_size,
}
