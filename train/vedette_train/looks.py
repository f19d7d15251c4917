"""What can be told of a picture file besides its picture: for the audit."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from vedette_edge.pictures import kind
from vedette_edge.prepare import Picture

_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258  # tags of EXIF and TIFF


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is."""

    kind: str = ""  # JPEG, PNG, ...; empty: no picture
    width: int = 0  # px, upright; 0 where the picture cannot be read
    height: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF's, 1 is upright
    bits: int = 8  # a channel
    colour: str = ""  # grey or CMYK; empty: RGB
    hash: str = ""  # 64 bits as 16 hexadecimal digits: alike for pictures that look alike


def look_at(content: bytes, picture: Picture, prepared: Picture) -> Look:
    """Look at a file that could be read, its picture, and what `prepare` made of that."""
    height, width = picture.shape[:2]
    frames, orientation, bits, cmyk = _header(content)
    grey = bool((prepared == prepared[..., :1]).all())
    return Look(
        kind=kind(content),
        width=width,
        height=height,
        frames=frames,
        orientation=orientation,
        bits=bits,
        colour="CMYK" if cmyk else "grey" if grey else "",
        hash=perceptual_hash(prepared),
    )


def from_row(row: list[str]) -> Look:
    """The fields of a Look as text, read. Raises ValueError or IndexError for anything else."""
    width, height, frames, orientation, bits = (int(cell) for cell in row[1:6])
    return Look(row[0], width, height, frames, orientation, bits, row[6], row[7])


def perceptual_hash(picture: Picture) -> str:
    """Which of the 64 lowest frequencies are above their median.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010, section 3.2.1: of a 32 x 32 grey picture, without the mean.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[1:9, 1:9]
    return np.packbits(low > np.median(low)).tobytes().hex()


def _header(content: bytes) -> tuple[int, int, int, bool]:
    """Frames, EXIF orientation, bits a channel, and whether it is CMYK."""
    Image.MAX_IMAGE_PIXELS = None  # nothing is decoded here, so that no size is a danger
    try:
        with Image.open(io.BytesIO(content)) as header:
            frames = 1 if header.format == "MPO" else getattr(header, "n_frames", 1)
            orientation = header.getexif().get(_ORIENTATION, 1)
            return frames, int(orientation), _bits(content, header), header.mode == "CMYK"
    except Exception:  # Pillow raises all there is at odd files; that OpenCV reads them is enough
        return 1, 1, 8, False


def _bits(content: bytes, header: Image.Image) -> int:
    if header.format == "PNG":
        return max(8, content[24])  # of IHDR: Pillow hides that of RGB
    if header.format == "TIFF":
        found = getattr(header, "tag_v2", {}).get(_BITS_PER_SAMPLE, 8)
        return int(np.max(found))
    return 8
