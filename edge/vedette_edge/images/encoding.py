"""Encode images: as JPEG, in full or as thumbnails for a report, and as PNG."""

import base64
import math

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image

LONGEST_PX = 640  # of a JPEG of limited bytes
QUALITIES = (85, 70, 50)  # of one, in turn; then it gets smaller


def encode_jpeg(image_rgb: Image, quality: int) -> bytes:
    """Encode an image (R G B) as a JPEG file of a quality from 0 to 100."""
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def encode_png(image_rgb: Image) -> bytes:
    """Encode an image (R G B) as a PNG file, exact to the bit."""
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", image_bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1].tobytes()


def encode_jpeg_within(image_rgb: Image, most_bytes: int, longest_px: int = LONGEST_PX) -> bytes:
    """Encode an image (R G B) as a JPEG of at most so many bytes, from 1,000 on.

    It has at most `longest_px` on its longer side. If it does not fit, its quality is lowered, and
    then its size: five encodes are enough for almost all images.
    """
    image = downscale(image_rgb, longest_px)
    for quality in QUALITIES:
        jpeg = encode_jpeg(image, quality)
        if len(jpeg) <= most_bytes:
            return jpeg
    while len(jpeg) > most_bytes and longest_px > 1:
        shrink = min(0.9, 0.9 * math.sqrt(most_bytes / len(jpeg)))  # bytes grow with the area
        longest_px = max(1, int(shrink * max(image.shape[:2])))
        image = downscale(image, longest_px)
        jpeg = encode_jpeg(image, QUALITIES[-1])
    return jpeg


def downscale(image: Image, longest_px: int) -> Image:
    """Shrink an image so that its longer side has at most `longest_px`; never enlarge it."""
    height, width, _ = image.shape
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def thumbnail_data_uri(image_rgb: Image, longest_px: int, quality: int) -> str:
    """Downscale an image and encode it as a JPEG in a `data:` URI."""
    jpeg = encode_jpeg(downscale(image_rgb, longest_px), quality)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
