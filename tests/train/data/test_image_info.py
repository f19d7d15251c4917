"""The facts of a file's header, without an error or a warning for an odd one."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from vedette_edge.images.decoding import decode_image
from vedette_edge.images.preprocessing import Image
from vedette_train.data.image_info import ImageInfo, compute_hash, parse_info, read_info


def draw_noise(side: int = 40) -> Image:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


def encode_image(kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(draw_noise()).save(file, kind, **settings)
    return file.getvalue()


def describe_image(content: bytes) -> ImageInfo:
    return read_info(content, decode_image(content), draw_noise())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF"])
def test_an_ordinary_file_is_of_its_kind_and_nothing_else(kind: str) -> None:
    info = describe_image(encode_image(kind))
    assert info == ImageInfo(format=kind, width=40, height=40, hash=info.hash)


@pytest.mark.parametrize(("orientation", "upright"), [(6, 6), (8, 8), (1, 1), (0, 1), (9, 1)])
def test_an_orientation_that_exif_does_not_know_is_upright(orientation: int, upright: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    assert describe_image(encode_image("JPEG", exif=exif)).orientation == upright


def test_broken_exif_is_no_error() -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40
    assert describe_image(encode_image("JPEG", exif=broken)).orientation == 1


def test_a_deep_tiff_and_a_deep_png_are_told() -> None:
    png = io.BytesIO()
    PIL.Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(png, "PNG")
    tiff = io.BytesIO()
    PIL.Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(tiff, "TIFF")
    assert [describe_image(file.getvalue()).bits for file in (png, tiff)] == [16, 16]


def test_a_phone_s_jpeg_with_a_second_picture_in_it_does_not_move() -> None:
    second = PIL.Image.fromarray(draw_noise())
    assert describe_image(encode_image("MPO", save_all=True, append_images=[second])).frames == 1


def test_an_enormous_picture_is_looked_at_without_a_warning() -> None:
    lines = zlib.compress(b"\0" * (1 + 12_000 // 8) * 12_000, 9)
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", lines), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    info = read_info(content, draw_noise(), draw_noise())
    assert (info.format, info.bits, info.frames) == ("PNG", 8, 1)


def test_the_hash_of_a_plain_picture_is_not_that_of_its_noise() -> None:
    random = np.random.default_rng(0)
    plain = [random.integers(99, 102, (150, 150, 3), np.uint8) for _ in range(5)]
    assert len({compute_hash(one) for one in plain}) == 1
    assert compute_hash(draw_noise()) != compute_hash(plain[0])


def test_a_row_that_an_older_vedette_wrote_is_refused() -> None:
    with pytest.raises(ValueError, match="0123456789abcdef"):
        parse_info(["JPEG", "40", "40", "1", "1", "8", "", "0123456789abcdef", "0"])
