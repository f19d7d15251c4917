"""Pictures in files: found in folders, and decoded to upright RGB."""

from pathlib import Path

import cv2
import numpy as np

from vedette_edge.errors import DecoderMissingError, ImageError
from vedette_edge.files import read_bounded
from vedette_edge.images.jpeg_splitter import END, JpegSplitter
from vedette_edge.images.orientation import upright
from vedette_edge.images.preprocessing import Image

HEIF = ("HEIC", "AVIF")  # kinds of which the decoder is optional
HEIF_INSTALL = "pip install 'vedette-edge[heif]'"


def read_image(path: Path) -> Image:
    """The picture in a file: uint8, height x width x 3, R G B, upright by its EXIF orientation.

    Raises PictureError, naming the file, if it cannot be read.
    """
    try:
        data = read_bounded(path)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    try:
        return decode_image(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def decode_image(data: bytes) -> Image:
    """The picture in the bytes of a file of any kind in ENDINGS, of a GIF its first frame.

    Grey, palette, CMYK, 16-bit and transparent pictures become 8-bit RGB; transparency is
    dropped, and the colours that lie beneath it count. Raises PictureError for anything that
    is no picture, or is one in part only, and DecoderMissingError, which is one, for HEIC and
    AVIF where the extra that decodes them is not installed.
    """
    if not data:
        raise ImageError("the file is empty, expected a picture")
    if detect_format(data) in HEIF:
        return _decode_heif(data)
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if _is_webp(data) else 0)
    try:
        picture_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"is no picture that OpenCV reads ({error.err})") from error
    if picture_bgr is None or _is_cut_jpeg(data):
        raise ImageError(_why_unreadable(data))
    picture_rgb = cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB)
    return upright(np.asarray(picture_rgb, np.uint8), _webp_orientation(data))


def _decode_heif(data: bytes) -> Image:
    try:
        from vedette_edge.images import heif

        return heif.decode(data, detect_format(data))
    except ImportError as error:
        raise DecoderMissingError(
            f"is {detect_format(data)}, and what decodes that is not installed: {HEIF_INSTALL}, "
            "or export it as JPEG"
        ) from error


_KINDS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"RIFF": "WebP",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}


def detect_format(data: bytes) -> str:
    """JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF, by how the bytes begin; empty for all else."""
    if data[4:8] == b"ftyp":
        return _heif_kind(data)
    return next((name for begin, name in _KINDS.items() if data.startswith(begin)), "")


_HEIF_BRANDS = {  # ISO/IEC 23008-12, and AV1 Image File Format
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_MOST_BRANDS = 64  # that are read


def _heif_kind(data: bytes) -> str:
    """HEIC or AVIF by the first coding brand in the box ftyp; mif1 and msf1 may hold either."""
    end = min(int.from_bytes(data[:4], "big"), 16 + 4 * _MOST_BRANDS)
    brands = (data[8:12], *(data[at : at + 4] for at in range(16, end, 4)))
    container = "HEIC" if brands[0] in (b"mif1", b"msf1") else ""
    return next((_HEIF_BRANDS[brand] for brand in brands if brand in _HEIF_BRANDS), container)


def _is_cut_jpeg(data: bytes) -> bool:
    """Before 4.12 OpenCV fills what is missing with grey; since then it refuses by itself."""
    if detect_format(data) != "JPEG" or tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 12):
        return False
    return not next(JpegSplitter().feed(data), b"").endswith(END)


def _why_unreadable(data: bytes) -> str:
    if data[:4] == b"GIF8" and tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 12):
        return f"is a GIF, which OpenCV {cv2.__version__} does not read; 4.12 and newer do"
    if found := detect_format(data):
        return f"is a {found} that is damaged or cut short, or of a kind that OpenCV cannot read"
    return "is no picture; expected JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC or AVIF"


# OpenCV turns JPEG, PNG and TIFF by their EXIF in every version, WebP only since 4.12. To get
# equal pictures from all of them, WebP's orientation is read here.


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp_orientation(data: bytes) -> int:
    """EXIF orientation 1..8 of a WebP (its RIFF chunk EXIF); 1 (upright) for anything else."""
    position = 12
    while _is_webp(data) and position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"EXIF":
            exif = data[position + 8 : position + 8 + size].removeprefix(b"Exif\0\0")
            return _tiff_orientation(exif)
        position += 8 + size + size % 2
    return 1


def _tiff_orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory of a TIFF header, as EXIF 2.32 lays it out."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "big" if exif[:2] == b"MM" else "little")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 512)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == 0x0112:
            return number(at + 8, 2)
    return 1
