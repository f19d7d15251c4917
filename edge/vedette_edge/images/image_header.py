"""The format and the size that the first bytes of an image state, read before any decoder runs.

A file of a few bytes can hold an image that fills the memory, or thousands of scans.
"""

import struct
from collections.abc import Callable

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
# JPEG's markers: those of a frame, SOF0 to SOF15, and those without a segment, TEM and RST0 to 7.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SINGLE = {0x01, *range(0xD0, 0xD8)}
_SCAN = b"\xff\xda"  # SOS; within a scan, a zero follows each 0xFF
_TIFF_WIDTHS, _TIFF_HEIGHTS = (256, 322), (257, 323)  # tags of the image, and of its tiles
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
    is_jpeg = detect_format(data) == "JPEG"
    return width * height * (max(1, data.count(_SCAN, _find_jpeg_frame(data))) if is_jpeg else 1)


def read_size(data: bytes) -> Size:
    """Read the size that a file states, before any rotation.

    Raises ImageError if it states none, and for formats other than those in _READERS.
    """
    kind = detect_format(data)
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError, KeyError) as error:
        reason = f"a {kind} file that is damaged or cut off" if kind else "not a picture"
        raise ImageError(reason) from error


def _detect_heif_format(data: bytes) -> str:
    """Detect HEIC or AVIF by the first coding brand in box ftyp; mif1 and msf1 hold either."""
    end = min(int.from_bytes(data[:4], "big"), 16 + 4 * _MOST_BRANDS)
    brands = (data[8:12], *(data[at : at + 4] for at in range(16, end, 4)))
    container = "HEIC" if brands[0] in (b"mif1", b"msf1") else ""
    return next((_HEIF_BRANDS[brand] for brand in brands if brand in _HEIF_BRANDS), container)


def _read_jpeg_size(data: bytes) -> Size:
    height, width = struct.unpack_from(">HH", data, _find_jpeg_frame(data) + 3)
    return width, height


def _find_jpeg_frame(data: bytes) -> int:
    """Find the segment of the frame, as libjpeg does: it skips what stands between segments."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        while data[at] == 0xFF:
            at += 1
        marker, at = data[at], at + 1
        if marker in _FRAMES:
            return at
        if marker and marker not in _SINGLE:
            at += struct.unpack_from(">H", data, at)[0]
    raise IndexError("no frame")


def _read_png_size(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


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
    widths: list[int] = []
    heights: list[int] = []
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        if tag in (*_TIFF_WIDTHS, *_TIFF_HEIGHTS):
            (number,) = struct.unpack_from(order + _TIFF_TYPES[kind], data, at + 8)
            (widths if tag in _TIFF_WIDTHS else heights).append(number)
    return max(widths, default=0), max(heights, default=0)


_READERS: dict[str, Callable[[bytes], Size]] = {
    "JPEG": _read_jpeg_size,
    "PNG": _read_png_size,
    "WebP": _read_webp_size,
    "GIF": _read_gif_size,
    "BMP": _read_bmp_size,
    "TIFF": _read_tiff_size,
}
