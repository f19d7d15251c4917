"""The size that a file states: known before decoding, so that few bytes cannot fill the memory."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from vedette_edge.errors import ImageError
from vedette_edge.images import decoding, image_header
from vedette_edge.images.image_header import count_pixels, read_size

PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def encode(ending: str, *options: int) -> bytes:
    """A picture of 60 x 40 px."""
    data: bytes = cv2.imencode(ending, np.zeros((40, 60, 3), np.uint8), options)[1].tobytes()
    return data


def build_png(width: int, height: int) -> bytes:
    """A grey PNG that packs each row to almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + width)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def build_tiff(order: str, kind: str) -> bytes:
    """The directory of a TIFF of 20000 x 10000 px, whose tiles are larger."""
    code = {"H": 3, "I": 4}[kind]
    sizes = {256: 20000, 257: 10000, 322: 30000, 323: 40000}
    entries = [
        struct.pack(f"{order}HHI{kind}", tag, code, 1, size).ljust(12, b"\0")
        for tag, size in sizes.items()
    ]
    begin = b"II*\0" if order == "<" else b"MM\0*"
    return begin + struct.pack(f"{order}IH", 8, len(entries)) + b"".join(entries)


@pytest.mark.parametrize(
    "data",
    [
        encode(".jpg"),
        encode(".jpg", *PROGRESSIVE),
        encode(".png"),
        encode(".bmp"),
        encode(".tif"),
        encode(".webp"),
        encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
        b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x3b\0\0\x27\0\0",
        b"GIF89a\x3c\0\x28\0",
        b"BM" + bytes(12) + struct.pack("<IHH", 12, 60, 40),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 60, -40),
        b"\xff\xd8\xff\xff\xe0\0\x04xxjunk\xff\0\xff\x01\xff\xc2\0\x0b\x08\0\x28\0\x3c",
    ],
)
def test_the_size_is_read_from_the_header(data: bytes) -> None:
    assert read_size(data) == (60, 40)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["H", "I"])
def test_the_size_of_a_tiff_is_that_of_the_larger_of_picture_and_tiles(
    order: str, kind: str
) -> None:
    assert read_size(build_tiff(order, kind)) == (30000, 40000)


@pytest.mark.parametrize(
    "begin", [b"\xff\xd8\xff", b"\x89PNG", b"II*\0\xff\xff", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"]
)
def test_a_header_that_is_cut_off_is_an_error(begin: bytes) -> None:
    with pytest.raises(ImageError, match="damaged or cut off"):
        read_size(begin)


def test_a_png_of_200_million_pixels_is_refused_by_its_header() -> None:
    data = build_png(20_000, 10_000)
    assert len(data) < 600_000
    with pytest.raises(ImageError, match="20000 x 10000 px, but at most 100 million"):
        decoding.decode_image(data)


def test_the_scans_of_a_progressive_jpeg_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(".jpg", *PROGRESSIVE)
    scans = data.count(b"\xff\xda")
    assert count_pixels(data) == 60 * 40 * scans
    assert count_pixels(encode(".png")) == 60 * 40
    monkeypatch.setattr(image_header, "MAX_PIXELS", 60 * 40)
    assert decoding.decode_image(data).shape == (40, 60, 3)
    monkeypatch.setattr(image_header, "MAX_SCANS", scans - 1)
    with pytest.raises(ImageError, match="too many scans"):
        decoding.decode_image(data)
