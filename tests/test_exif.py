"""Exif of a snapshot, as Pillow reads it."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from vedette_edge.images.encoding import encode_jpeg
from vedette_edge.images.exif import add_exif

IMAGE = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize("comment", ["{}", "лиса 🦊"])
def test_pillow_reads_every_tag_and_the_same_pixels(comment: str) -> None:
    before = encode_jpeg(IMAGE, 80)
    with Image.open(io.BytesIO(add_exif(before, "fox 0.97", 1795721599.123, comment))) as image:
        tags = image.getexif()
        details = tags.get_ifd(ExifTags.IFD.Exif)
        pixels = np.asarray(image)
    assert tags[ExifTags.Base.ImageDescription] == "fox 0.97"
    assert tags[ExifTags.Base.Software].startswith("Vedette ")
    assert details[ExifTags.Base.DateTimeOriginal].startswith("2026:11:2")
    assert details[ExifTags.Base.SubsecTimeOriginal] == "123"
    assert details[ExifTags.Base.ExifImageWidth] == 40
    assert tags[ExifTags.Base.XResolution] == 72
    encoding = "ascii" if comment.isascii() else "utf-16-be"
    assert details[ExifTags.Base.UserComment][8:].decode(encoding) == comment
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(before))))
