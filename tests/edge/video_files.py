"""Videos of images that a test draws."""

from pathlib import Path

import cv2

from vedette_edge.images.preprocessing import Image


def write_video(path: Path, images_rgb: list[Image]) -> Path:
    """Write a video without loss, 10 frames/s."""
    height, width, _ = images_rgb[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"HFYU"), 10, (width, height))
    for image_rgb in images_rgb:
        writer.write(image_rgb[..., ::-1])
    writer.release()
    return path
