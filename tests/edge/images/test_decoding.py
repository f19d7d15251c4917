"""Images in files: every format becomes the same upright RGB, and damage is an error."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.errors import ImageError
from vedette_edge.images import decoding

Picture = NDArray[np.uint8]
READS_GIF = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 12)


def encode(ending: str, picture_bgr: NDArray[np.generic], *settings: int) -> bytes:
    done, data = cv2.imencode(ending, np.asarray(picture_bgr), settings)
    assert done
    return data.tobytes()


def draw_quadrants() -> Picture:
    """Red, green over blue, white: no two of its eight orientations are equal. R G B."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30], picture[:20, 30:] = (255, 0, 0), (0, 255, 0)
    picture[20:, :30], picture[20:, 30:] = (0, 0, 255), (255, 255, 255)
    return picture


def build_exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF header with one tag, the orientation."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return start + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def add_exif_to_jpeg(data: bytes, tags: bytes) -> bytes:
    body = b"Exif\0\0" + tags
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def add_exif_to_png(data: bytes, tags: bytes) -> bytes:
    """The same PNG with a chunk eXIf behind its head."""
    chunk = b"eXIf" + tags
    head = 8 + 25
    length, check = struct.pack(">I", len(tags)), struct.pack(">I", zlib.crc32(chunk))
    return data[:head] + length + chunk + check + data[head:]


def add_exif_to_webp(data: bytes, tags: bytes) -> bytes:
    """The same WebP in the extended layout, with a chunk of EXIF at its end."""
    height, width = draw_quadrants().shape[:2]
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = b"VP8X" + struct.pack("<I", 10) + bytes([0b1000, 0, 0, 0]) + sides
    padded = tags + bytes(len(tags) % 2)
    chunks: bytes = b"WEBP" + head + data[12:] + b"EXIF" + struct.pack("<I", len(tags)) + padded
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


UPRIGHT: dict[int, Callable[[Picture], Picture]] = {  # how a viewer undoes each orientation
    1: lambda picture: picture,
    2: lambda picture: np.fliplr(picture),
    3: lambda picture: np.rot90(picture, 2),
    4: lambda picture: np.flipud(picture),
    5: lambda picture: np.rot90(np.fliplr(picture), 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(np.fliplr(picture), -1),
    8: lambda picture: np.rot90(picture, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation_is_applied(orientation: int, order: str) -> None:
    bgr = cv2.cvtColor(draw_quadrants(), cv2.COLOR_RGB2BGR)
    tags = build_exif(orientation, order)
    jpeg = add_exif_to_jpeg(encode(".jpg", bgr, cv2.IMWRITE_JPEG_QUALITY, 100), tags)
    webp = add_exif_to_webp(encode(".webp", bgr, cv2.IMWRITE_WEBP_QUALITY, 101), tags)
    expected = UPRIGHT[orientation](draw_quadrants()).astype(int)
    png = add_exif_to_png(encode(".png", bgr), tags)
    for data in (jpeg, webp, png):
        image = decoding.decode_image(data)
        assert image.shape == expected.shape
        assert np.abs(image - expected).mean() < 8  # JPEG smears the edges


def test_the_orientation_may_be_any_tag_of_several() -> None:
    """As cameras write it: after the size, the bits and the maker."""
    upright = decoding.decode_image(encode(".png", draw_quadrants()))
    for order in "<>":
        tags = build_exif(6, order)
        count, entry = tags[8:10], tags[10:22]
        other = entry.replace(struct.pack(f"{order}H", 0x0112), struct.pack(f"{order}H", 0x010F))
        several = struct.pack(f"{order}H", 3)
        assert len(count) == len(several)
        webp = encode(".webp", draw_quadrants(), cv2.IMWRITE_WEBP_QUALITY, 101)
        turned = add_exif_to_webp(webp, tags[:8] + several + other + other + entry + tags[22:])
        assert np.array_equal(decoding.decode_image(turned), UPRIGHT[6](upright))


def test_an_odd_chunk_before_the_exif_of_a_webp_has_a_byte_of_padding() -> None:
    whole = encode(".webp", draw_quadrants(), cv2.IMWRITE_WEBP_QUALITY, 101)
    data = add_exif_to_webp(whole, build_exif(6))
    at = data.index(b"EXIF")
    chunks = data[8:at] + b"more" + struct.pack("<I", 3) + bytes(4) + data[at:]
    image = decoding.decode_image(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    assert image.shape == (60, 40, 3)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_formats_give_the_pixels_that_were_saved(ending: str) -> None:
    bgr = cv2.cvtColor(draw_quadrants(), cv2.COLOR_RGB2BGR)
    image = decoding.decode_image(encode(ending, bgr, cv2.IMWRITE_WEBP_QUALITY, 101))
    assert np.array_equal(image, draw_quadrants())


@pytest.mark.skipif(not READS_GIF, reason="this OpenCV reads no GIF")
def test_a_gif_gives_its_first_frame() -> None:
    frames = [cv2.cvtColor(draw_quadrants(), cv2.COLOR_RGB2BGR), np.zeros((40, 60, 3), np.uint8)]
    animation = cv2.Animation()
    animation.frames = frames
    animation.durations = np.array([100, 100])  # type: ignore[assignment]  # the stub is wrong
    done, data = cv2.imencodeanimation(".gif", animation)
    assert done
    image = decoding.decode_image(bytes(data)).astype(int)
    assert np.abs(image - draw_quadrants()).mean() < 8  # its palette is dithered


@pytest.mark.skipif(READS_GIF, reason="this OpenCV reads GIF")
def test_a_gif_that_opencv_cannot_read_is_called_one() -> None:
    with pytest.raises(ImageError, match="GIF"):
        decoding.decode_image(b"GIF89a" + bytes(40))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bit_grey_and_transparent_pictures_become_8_bit_rgb(ending: str) -> None:
    grey16 = np.full((4, 4), 0x8040, np.uint16)
    assert np.array_equal(decoding.decode_image(encode(ending, grey16)), np.full((4, 4, 3), 0x80))
    bgra = np.full((4, 4, 4), (10, 20, 30, 255), np.uint8)
    assert decoding.decode_image(encode(ending, bgra))[0, 0].tolist() == [30, 20, 10]


def test_a_transparent_png_keeps_the_colour_beneath() -> None:
    bgra = np.full((4, 4, 4), (10, 20, 30, 0), np.uint8)
    assert decoding.decode_image(encode(".png", bgra))[0, 0].tolist() == [30, 20, 10]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_cut_picture_is_an_error_and_not_half_a_picture(
    drawn: Callable[[int, int], Picture], ending: str, share: float
) -> None:
    whole = encode(ending, drawn(90, 120))
    with pytest.raises(ImageError):
        decoding.decode_image(whole[: int(share * len(whole))])


@pytest.mark.parametrize(("ending", "name"), [(".webp", "WebP"), (".gif", "GIF")])
def test_the_error_about_a_damaged_picture_names_its_format(ending: str, name: str) -> None:
    data = encode(ending, draw_quadrants()) if ending != ".gif" else b"GIF89a" + bytes(20)
    expected = rf"^a {name} file that is damaged, cut off or of a variant"
    if ending == ".gif" and not READS_GIF:
        expected = "^a GIF, which OpenCV"
    with pytest.raises(ImageError, match=expected):
        decoding.decode_image(data[:60] + bytes(len(data[60:])))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", bytes(500)])
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        decoding.decode_image(data)


@pytest.mark.parametrize("ending", [".jp2", ".ppm", ".pfm", ".hdr", ".ras"])
def test_a_format_that_is_not_promised_reaches_no_decoder(ending: str) -> None:
    floats = ending in (".pfm", ".hdr")
    data = encode(ending, draw_quadrants().astype(np.float32 if floats else np.uint8))
    with pytest.raises(ImageError, match="not a picture; expected JPEG"):
        decoding.decode_image(data)


def test_a_riff_file_that_is_no_webp_is_no_picture() -> None:
    with pytest.raises(ImageError, match="not a picture; expected JPEG"):
        decoding.decode_image(b"RIFF\x10\0\0\0WAVEfmt " + bytes(40))


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    for path in (bad, tmp_path / "gone.jpg", tmp_path):
        with pytest.raises(ImageError, match=path.name):
            decoding.read_image(path)
