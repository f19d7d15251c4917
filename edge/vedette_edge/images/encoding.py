"""Encode images as JPEG, in full or as thumbnails for a report."""

import base64

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image


def encode_jpeg(image_rgb: Image, quality: int) -> bytes:
    """Encode an image (R G B) as a JPEG file of a quality from 0 to 100."""
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


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
