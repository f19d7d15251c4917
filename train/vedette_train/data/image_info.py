"""What can be told of a picture file besides its picture: for the audit."""

import io
from dataclasses import dataclass

import numpy as np
import PIL.Image

from vedette_edge.images.decoding import detect_format
from vedette_edge.images.pillow_warnings import ignore_warnings
from vedette_edge.images.preprocessing import Image
from vedette_train.data.perceptual_hash import compute_hash
from vedette_train.data.similarity import strip_letterbox

_HASH_DIGITS = 64
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258  # tags of EXIF and TIFF


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a file is."""

    format: str = ""  # JPEG, PNG, ...; empty: no picture
    width: int = 0  # px, upright; 0 where the picture cannot be read
    height: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF's, 1 is upright
    bits: int = 8  # a channel
    colour: str = ""  # grey or CMYK; empty: RGB
    hash: str = ""  # 256 bits, hexadecimal: few differ between pictures that look alike


def read_info(content: bytes, picture: Image, prepared: Image) -> ImageInfo:
    """Look at a file that could be read, its picture, and what `prepare` made of that."""
    height, width = picture.shape[:2]
    frames, orientation, bits, cmyk = _read_header(content)
    grey = bool((prepared == prepared[..., :1]).all())
    return ImageInfo(
        format=detect_format(content),
        width=width,
        height=height,
        frames=frames,
        orientation=orientation,
        bits=bits,
        colour="CMYK" if cmyk else "grey" if grey else "",
        hash=compute_hash(strip_letterbox(prepared)),
    )


def parse_info(row: list[str]) -> ImageInfo:
    """The fields of a Look as text, read. Raises ValueError or IndexError for anything else."""
    width, height, frames, orientation, bits = (int(cell) for cell in row[1:6])
    if len(row[7]) not in (0, _HASH_DIGITS):
        raise ValueError(f"{row[7]!r} is no perceptual hash")
    return ImageInfo(row[0], width, height, frames, orientation, bits, row[6], row[7])


def _read_header(content: bytes) -> tuple[int, int, int, bool]:
    """Frames, EXIF orientation, bits a channel, and whether it is CMYK."""
    if detect_format(content) == "HEIC":
        from vedette_edge.images import heif

        frames, bits = heif.read_heic_header(content)
        return frames, 1, bits, False  # the decoder turns it, not EXIF
    try:
        with ignore_warnings(), PIL.Image.open(io.BytesIO(content)) as header:
            frames = 1 if header.format == "MPO" else getattr(header, "n_frames", 1)
            return (
                frames,
                _read_orientation(header),
                _read_bits(content, header),
                header.mode == "CMYK",
            )
    except Exception:  # Pillow raises all there is at odd files; that OpenCV reads them is enough
        return 1, 1, 8, False


def _read_orientation(header: PIL.Image.Image) -> int:
    try:
        found = header.getexif().get(_ORIENTATION)
    except Exception:  # as above; the rest of the header may be fine
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _read_bits(content: bytes, header: PIL.Image.Image) -> int:
    if header.format == "PNG":
        return max(8, content[24])  # of IHDR: Pillow hides that of RGB
    if header.format == "TIFF":
        found = getattr(header, "tag_v2", {}).get(_BITS_PER_SAMPLE, 8)
        return int(np.max(found))
    return 8
