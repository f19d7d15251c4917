"""HEIC and AVIF files for tests, as phones and programs write them."""

import io
from collections.abc import Mapping

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

_OTHER_TAG = 0x0106  # of the same type as Orientation: a SHORT


def heic(picture: NDArray[np.uint8], **settings: object) -> bytes:
    """A HEIC of a picture: grey, RGB or RGBA. Set quality, tile_size, exif, metadata ..."""
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(file, **{"quality": 95, **settings})
    return file.getvalue()


def deep_heic(picture: NDArray[np.uint8]) -> bytes:
    """A HEIC of 10 bits a channel: grey or RGB."""
    file = io.BytesIO()
    height, width = picture.shape[:2]
    deep = (picture.astype(np.uint16) * 257).tobytes()
    mode = "L;16" if picture.ndim == 2 else "RGB;16"
    pillow_heif.encode(mode, (width, height), deep, file, quality=95)
    return file.getvalue()


def avif(picture: NDArray[np.uint8], **settings: object) -> bytes:
    """An AVIF of a picture: grey, RGB or RGBA."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "AVIF", **{"quality": 95, **settings})
    return file.getvalue()


def exif(tags: Mapping[int, int]) -> bytes:
    """EXIF with some tags."""
    found = Image.Exif()
    for tag, value in tags.items():
        found[tag] = value
    return found.tobytes()


def turned_heic(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """As a phone writes it: irot, imir and EXIF say the same."""
    return heic(picture, exif=exif({0x0112: orientation}))


def turned_avif(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """The same; Pillow writes irot and imir, and takes the tag out of EXIF: it is put back."""
    data = avif(picture, exif=exif({0x0112: orientation, _OTHER_TAG: orientation}))
    return _with_orientation_tag(data)


def exif_alone_heic(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """EXIF says that the picture is turned, and the container does not."""
    tags = bytes(4) + exif({0x0112: orientation}).removeprefix(b"Exif\0\0")
    return heic(picture, metadata=[{"type": "Exif", "content_type": "", "data": tags}])


def exif_alone_avif(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """The same."""
    return _with_orientation_tag(avif(picture, exif=exif({_OTHER_TAG: orientation})))


def _with_orientation_tag(data: bytes) -> bytes:
    assert data.count(b"\x01\x06\0\x03\0\0\0\x01") == 1
    return data.replace(b"\x01\x06\0\x03\0\0\0\x01", b"\x01\x12\0\x03\0\0\0\x01")
