"""Facts about an image file besides its pixels, for the audit."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image

from vedette_edge.images.image_header import detect_format
from vedette_edge.images.pillow_warnings import ignore_warnings
from vedette_edge.images.preprocessing import Image

PLAIN = 2.0  # grey levels, standard deviation below which an image shows nothing

_HASH_DIGITS = 64
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258  # tags of EXIF and TIFF


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Facts about one file. The order of the fields is that of index.csv."""

    format: str = ""  # JPEG, PNG, ...; empty: not an image
    width: int = 0  # px, upright; 0 if the image cannot be read
    height: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF's, 1 is upright
    bits: int = 8  # a channel
    colour: str = ""  # grey or CMYK; empty: RGB
    hash: str = ""  # perceptual, 256 bits, hexadecimal
    unused: int = 0  # bytes of a JPEG that its image does not use


def read_info(content: bytes, image: Image, reduced: Image) -> ImageInfo:
    """Describe a file by its bytes, its decoded image and its image for comparisons."""
    height, width = image.shape[:2]
    frames, orientation, bits, cmyk = _read_header(content)
    grey = bool((reduced == reduced[..., :1]).all())
    return ImageInfo(
        format=detect_format(content),
        width=width,
        height=height,
        frames=frames,
        orientation=orientation,
        bits=bits,
        colour="CMYK" if cmyk else "grey" if grey else "",
        hash=compute_hash(reduced),
    )


def compute_hash(image: Image) -> str:
    """Compute 256 bits, in hexadecimal: 1 for a low frequency above the median, lowest 64 first.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010, section 3.2.1, of a 32 x 32 grey image, with more of its bits. The bits of a plain
    image would be those of its noise, so it gets the hash of an image without noise.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < PLAIN:
        small[:] = 0
    frequencies = cv2.dct(small)[:16, :16]
    bits = frequencies > np.median(frequencies)
    ordered = np.concatenate([bits[:8, :8].ravel(), bits[:8, 8:].ravel(), bits[8:].ravel()])
    return np.packbits(ordered).tobytes().hex()


def parse_info(row: list[str]) -> ImageInfo:
    """Parse the fields of an ImageInfo. Raises ValueError or IndexError for anything else."""
    width, height, frames, orientation, bits = (int(cell) for cell in row[1:6])
    if len(row[7]) not in (0, _HASH_DIGITS):
        raise ValueError(f"{row[7]!r} is not a perceptual hash of {_HASH_DIGITS} digits")
    return ImageInfo(row[0], width, height, frames, orientation, bits, row[6], row[7], int(row[8]))


def _read_header(content: bytes) -> tuple[int, int, int, bool]:
    """Number of frames, EXIF orientation, bits a channel, and True for CMYK."""
    if detect_format(content) == "HEIC":
        from vedette_edge.images import heif  # needs the optional package pillow-heif

        frames, bits = heif.read_heic_header(content)
        return frames, 1, bits, False  # the decoder turns the image, not EXIF
    try:
        with ignore_warnings(), PIL.Image.open(io.BytesIO(content)) as header:
            frames = 1 if header.format == "MPO" else getattr(header, "n_frames", 1)
            bits = _read_bits(content, header)
            return frames, _read_orientation(header), bits, header.mode == "CMYK"
    except Exception:  # Pillow raises errors of any class for odd files that OpenCV can read
        return 1, 1, 8, False


def _read_orientation(header: PIL.Image.Image) -> int:
    try:
        orientation = header.getexif().get(_ORIENTATION)
    except Exception:  # as above; the rest of the header may be fine
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _read_bits(content: bytes, header: PIL.Image.Image) -> int:
    if header.format == "PNG":
        return max(8, content[24])  # from IHDR: Pillow does not report the depth of RGB
    if header.format == "TIFF":
        return int(np.max(getattr(header, "tag_v2", {}).get(_BITS_PER_SAMPLE, 8)))
    return 8
