"""The size that a file states: known before decoding, so that few bytes cannot fill the memory."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from vedette_edge.errors import ImageError
from vedette_edge.images import decoding, image_header
from vedette_edge.images.image_header import count_pixels, read_size

HUFFMAN_TABLE = b"\xff\xc4\0\x07\x08\0\x09\0\x07"  # its marker is among those of frames
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


def build_tiff(order: str, kind: str, *more: tuple[int, int]) -> bytes:
    """The directory of a TIFF of 20000 x 10000 px, whose tiles are larger; `more` are tags."""
    code = {"H": 3, "I": 4}[kind]
    sizes = ((256, 20000), (257, 10000), (322, 30000), (323, 40000), *more)
    entries = [
        struct.pack(f"{order}HHI{kind}", tag, code, 1, size).ljust(12, b"\0") for tag, size in sizes
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
        b"\xff\xd8" + HUFFMAN_TABLE + b"\xff\xc0\0\x0b\x08\0\x28\0\x3c",
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


def test_what_a_phone_appends_to_a_jpeg_is_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(".jpg")
    monkeypatch.setattr(image_header, "MAX_PIXELS", 60 * 40)
    video = b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 100
    assert decoding.decode_image(data + video).shape == (40, 60, 3)


@pytest.mark.parametrize(
    "before_scans",
    [b"\xff\xe1\0\x04\xff\xd9", b"\xff\x02\xff\xff", b"\xff\xe0\0\0", b"\xff\xd0\xff\x01"],
)
def test_no_marker_hides_the_scans_behind_it(before_scans: bytes) -> None:
    data = encode(".jpg")
    scan = data[data.index(b"\xff\xda") : -2]
    hiding = data[:-2] + before_scans + 9 * scan + data[-2:]
    assert count_pixels(hiding) == 10 * 60 * 40


def test_a_chunk_or_a_strip_that_reaches_beyond_the_end_reaches_no_decoder() -> None:
    png = build_png(60, 40)
    assert decoding.decode_image(png).shape == (40, 60, 3)
    at = png.index(b"IDAT") - 4
    for chunk in (b"\x7f\xff\xff\xffIDAT", b"\x10\0\0\0tRNS"):
        with pytest.raises(ImageError, match="PNG file that is damaged or cut off"):
            decoding.decode_image(png[:at] + chunk + png[at:])
    for tag in (279, 325):
        for order in "<>":
            assert read_size(build_tiff(order, "I", (tag, 60))) == (30000, 40000)
            with pytest.raises(ImageError, match="TIFF file that is damaged or cut off"):
                read_size(build_tiff(order, "I", (tag, 0x3A000000)))
            with pytest.raises(ImageError, match="TIFF file that is damaged or cut off"):
                read_size(build_tiff(order, "I", (tag, 60), (tag, 60)))


@pytest.mark.parametrize(
    "endless",
    [b"\xff\xd8\xff" + b"\xff\xe0\0\2" * 200_000, build_png(60, 40)[:-12] + bytes(12) * 200_000],
)
def test_a_picture_of_too_many_parts_is_damaged(endless: bytes) -> None:
    end = encode(".jpg")[2:] if endless.startswith(b"\xff") else build_png(60, 40)[-12:]
    with pytest.raises(ImageError, match="damaged or cut off"):
        read_size(endless + end)
