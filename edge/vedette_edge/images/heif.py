"""Decode HEIC and AVIF with the packages of the extra `vedette-edge[heif]`.

The only module of the edge that imports Pillow and pillow-heif. It is imported when the first
such image is read, and raises ImportError without the extra. OpenCV does not decode AVIF here:
not every build has a decoder, and those with one ignore the container's orientation.
"""

import io

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL.AvifImagePlugin import AvifImageFile

from vedette_edge.errors import ImageError
from vedette_edge.images.image_header import check_pixels
from vedette_edge.images.pillow_warnings import ignore_warnings
from vedette_edge.images.preprocessing import Image

_ORIENTATION = 0x0112  # EXIF tag


def decode(data: bytes, kind: str) -> tuple[Image, int]:
    """Decode a "HEIC" or "AVIF" to uint8, height x width x 3, R G B, and an EXIF orientation.

    The orientation is what is left to do of the container's (irot, imir); HEIF tells readers to
    ignore EXIF's, which repeats it. Reduces deep colours to 8 bits, drops alpha and turns grey
    into RGB. Raises ImageError for an image that is damaged, cut off or larger than MAX_PIXELS.
    """
    if _is_truncated(data):
        raise ImageError(f"a {kind} file that is cut off; copy it again from its source")
    try:
        return _decode_avif(data) if kind == "AVIF" else _decode_heic(data)
    except (ImageError, ImportError):
        raise
    except Exception as error:  # both decoders raise many kinds for damaged files
        reason = " ".join(str(error).split())
        raise ImageError(f"a {kind} file that is damaged or not supported ({reason})") from error


def read_heic_header(data: bytes) -> tuple[int, int]:
    """Read the number of frames, and the bits per channel, of a valid HEIC."""
    file = pillow_heif.open_heif(data)
    return len(file), int(file.info["bit_depth"])


def _decode_heic(data: bytes) -> tuple[Image, int]:
    """Decode the primary image; libheif applies irot and imir itself."""
    file = pillow_heif.open_heif(data)
    check_pixels(*file.size)
    return _convert_to_rgb(np.asarray(file)), 1


def _decode_avif(data: bytes) -> tuple[Image, int]:
    """Decode the first frame; Pillow reports irot and imir as EXIF's orientation."""
    with ignore_warnings():  # of broken EXIF
        image = AvifImageFile(io.BytesIO(data))
        orientation = image.getexif().get(_ORIENTATION, 1)
    check_pixels(*image.size)
    return _convert_to_rgb(np.asarray(image)), orientation


def _convert_to_rgb(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Image:
    """Convert grey, RGB or RGBA to 8-bit RGB; pillow-heif leaves deep grey at 16 bits."""
    image = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.array(image[..., :3], np.uint8, order="C")


def _is_truncated(data: bytes) -> bool:
    """True if a box of image data (ISO/IEC 14496-12, 4.2) reaches past the end of the file.

    libheif would decode the tiles that it finds, and leave the others blank.
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
