"""Decode image files of every common format to upright RGB."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from vedette_edge.errors import DecoderMissingError, ImageError
from vedette_edge.files import read_bounded
from vedette_edge.images.image_header import HEIF, check_size, detect_format, read_size
from vedette_edge.images.jpeg_splitter import END, JpegSplitter
from vedette_edge.images.preprocessing import Image

HEIF_INSTALL = "pip install 'vedette-edge[heif]'"
_OLD_OPENCV = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 12)


def read_image(path: Path) -> Image:
    """Read an image file: uint8, height x width x 3, R G B, upright by its EXIF orientation.

    Raises ImageError, naming the file, if it cannot be read.
    """
    try:
        return decode_image(read_bounded(path))
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def decode_image(data: bytes) -> Image:
    """Decode the bytes of an image file; of a GIF, its first frame.

    Grey, palette, CMYK, 16-bit and transparent images become 8-bit RGB; transparency is dropped,
    which leaves the colours beneath it. Raises ImageError if the data is not a complete image
    or one of more than MAX_PIXELS, and DecoderMissingError, an ImageError, for HEIC and AVIF
    without the extra that decodes them.
    """
    if not data:
        raise ImageError("the file is empty, expected a picture")
    if not (kind := detect_format(data)):  # else OpenCV tries all decoders that it has
        raise ImageError("not a picture; expected JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC or AVIF")
    if kind in HEIF:
        return _decode_heif(data)
    check_size(data)
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if kind == "WebP" else 0)
    try:
        image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if image_bgr is None or _is_truncated_jpeg(data):
            raise ImageError(_explain_failure(data))
        image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
        return _turn_upright(image_rgb, _read_webp_orientation(data))
    except cv2.error as error:
        raise ImageError(f"not a picture that OpenCV can read ({error.err})") from error
    except MemoryError as error:
        width, height = read_size(data)
        raise ImageError(f"{width} x {height} px are too many for the memory here") from error


def list_optional_formats() -> tuple[str, ...]:
    """List the formats that are decoded here, of those that not every installation decodes."""
    return (*(["GIF"] if not _OLD_OPENCV else []), *(HEIF if find_spec("pillow_heif") else []))


def _decode_heif(data: bytes) -> Image:
    try:
        from vedette_edge.images import heif  # imports optional packages

        return _turn_upright(*heif.decode(data, detect_format(data)))
    except ImportError as error:
        raise DecoderMissingError(
            f"a {detect_format(data)} file, whose decoder is not installed: {HEIF_INSTALL}, "
            "or export the picture as JPEG"
        ) from error


def _turn_upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: transpose 5 to 8, then mirror rows or columns.

    Any number but 2 to 8 leaves the image as it is.
    """
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _is_truncated_jpeg(data: bytes) -> bool:
    """True for a cut-off JPEG that OpenCV before 4.12 completes with grey; later ones refuse it."""
    if not _OLD_OPENCV or detect_format(data) != "JPEG":
        return False
    return not next(JpegSplitter().feed(data), b"").endswith(END)


def _explain_failure(data: bytes) -> str:
    if _OLD_OPENCV and data[:4] == b"GIF8":
        return f"a GIF, which OpenCV {cv2.__version__} cannot read; 4.12 and later can"
    name = detect_format(data)
    return f"a {name} file that is damaged, cut off or of a variant that OpenCV cannot read"


# Every version of OpenCV applies the EXIF orientation of JPEG, PNG and TIFF, but only 4.12 and
# later that of WebP. To get equal images from all versions, WebP's orientation is read here.


def _read_webp_orientation(data: bytes) -> int:
    """The EXIF orientation 1..8 in the RIFF chunk EXIF of a WebP; 1 (upright) for others."""
    at = 12 if detect_format(data) == "WebP" else len(data)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            exif = data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0")
            return _read_tiff_orientation(exif)
        at += 8 + size + size % 2
    return 1


def _read_tiff_orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory of a TIFF header, as EXIF 2.32 lays it out."""

    def read_number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "big" if exif[:2] == b"MM" else "little")

    directory = read_number(4, 4)
    for entry in range(min(read_number(directory, 2), 512)):
        at = directory + 2 + 12 * entry
        if read_number(at, 2) == 0x0112:
            return read_number(at + 8, 2)
    return 1
