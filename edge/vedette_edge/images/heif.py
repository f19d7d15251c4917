"""HEIC and AVIF images, decoded by what the extra `vedette-edge[heif]` installs.

The one module of the edge that imports Pillow and pillow-heif: it is imported only once such an
image is met, and raises ImportError where the extra is missing. OpenCV is not asked for AVIF: not
every build of it has a decoder, and those that have one ignore the container's orientation.
"""

import io

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL.AvifImagePlugin import AvifImageFile

from vedette_edge.errors import ImageError
from vedette_edge.images.orientation import upright
from vedette_edge.images.pillow_warnings import ignore_warnings
from vedette_edge.images.preprocessing import Image

MOST_PIXELS = 1 << 30  # OpenCV's limit for the other formats

_ORIENTATION = 0x0112  # EXIF tag


def decode(data: bytes, kind: str) -> Image:
    """Decode a "HEIC" or "AVIF" to uint8, height x width x 3, R G B, upright.

    The container's own orientation (irot, imir) is applied. HEIF has readers ignore EXIF's, which
    repeats it. More than 8 bits are reduced, alpha is dropped, grey becomes RGB. Raises
    PictureError for an image that is damaged, cut short or of more than MOST_PIXELS.
    """
    if _is_cut(data):
        raise ImageError(f"is a cut-off {kind}; copy it again from where it came")
    try:
        return _decode_avif(data) if kind == "AVIF" else _decode_heic(data)
    except (ImageError, ImportError):
        raise
    except Exception as error:  # both decoders raise all there is at damaged files
        reason = " ".join(str(error).split())
        raise ImageError(
            f"is a damaged {kind}, or of a kind that is not read ({reason})"
        ) from error


def read_heic_header(data: bytes) -> tuple[int, int]:
    """Frames, and bits a channel, of a HEIC that can be decoded."""
    file = pillow_heif.open_heif(data)
    return len(file), int(file.info["bit_depth"])


def _decode_heic(data: bytes) -> Image:
    """The primary image; libheif applies irot and imir itself."""
    file = pillow_heif.open_heif(data)
    _check_size(*file.size)
    return _as_rgb(np.asarray(file))


def _decode_avif(data: bytes) -> Image:
    """The first frame; Pillow gives irot and imir as if they were EXIF's orientation."""
    with ignore_warnings():  # of broken EXIF
        image = AvifImageFile(io.BytesIO(data))
        orientation = image.getexif().get(_ORIENTATION, 1)
    _check_size(*image.size)
    return upright(_as_rgb(np.asarray(image)), orientation)


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ImageError(f"is of {width} x {height} px, at most {MOST_PIXELS} px are decoded")


def _as_rgb(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Image:
    """8-bit RGB of grey, RGB or RGBA; pillow-heif leaves deep grey at 16 bits."""
    image = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.array(image[..., :3], np.uint8, order="C")


def _is_cut(data: bytes) -> bool:
    """Check whether the last box (ISO/IEC 14496-12, 4.2) holds image data past the file's end.

    libheif decodes what tiles there are, and leaves the others blank.
    """
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # the size follows in 64 bits
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: up to the end of the file
            return False
        if data[at + 4 : at + 8] == b"mdat" and at + size > len(data):
            return True
        at += size
    return False
