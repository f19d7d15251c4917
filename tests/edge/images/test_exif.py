"""Exif in a JPEG, parsed by hand; tests/test_exif.py reads it with Pillow."""

import os
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest

from vedette_edge.images.decoding import decode_image
from vedette_edge.images.encoding import encode_jpeg
from vedette_edge.images.exif import MOST_COMMENT, MOST_DESCRIPTION, add_exif

TAKEN_AT = 1795721599.123  # 2026-11-26T19:33:19.123Z
IMAGE = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
SIZES = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}


def read_tags(jpeg: bytes) -> dict[int, bytes]:
    """Read the values of both directories, as bytes."""
    assert jpeg[:4] == b"\xff\xd8\xff\xe1"
    (length,) = struct.unpack_from(">H", jpeg, 4)
    assert jpeg[6:12] == b"Exif\0\0"
    tiff = jpeg[12 : 4 + length]
    order, mark, start = struct.unpack_from(">2sHI", tiff)
    assert (order, mark) == (b"MM", 42)
    tags = dict(read_directory(tiff, start))
    return tags | dict(read_directory(tiff, int.from_bytes(tags[0x8769], "big")))


def read_directory(tiff: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    (count,) = struct.unpack_from(">H", tiff, start)
    tags = []
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(">HHI", tiff, at)
        size = number * SIZES[kind]
        place = at + 8 if size <= 4 else struct.unpack_from(">I", tiff, at + 8)[0]
        assert place + size <= len(tiff)
        tags.append(tag)
        yield tag, tiff[place : place + size]
    assert tags == sorted(set(tags))
    assert tiff[start + 2 + 12 * count :][:4] == bytes(4)  # no further directory


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """A time zone of this process."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    del os.environ["TZ"]
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "date", "offset"),
    [
        ("UTC0", b"2026:11:26 19:33:19\0", b"+00:00\0"),
        ("IST-5:30", b"2026:11:27 01:03:19\0", b"+05:30\0"),
        ("NST3:30", b"2026:11:26 16:03:19\0", b"-03:30\0"),
    ],
    indirect=["zone"],
)
@pytest.mark.usefixtures("zone")
def test_the_time_is_local_with_its_offset_and_milliseconds(date: bytes, offset: bytes) -> None:
    tags = read_tags(add_exif(encode_jpeg(IMAGE, 80), "fox", TAKEN_AT, ""))
    assert (tags[0x0132], tags[0x9003]) == (date, date)
    assert (tags[0x9010], tags[0x9011]) == (offset, offset)
    assert (tags[0x9290], tags[0x9291]) == (b"123\0", b"123\0")


@pytest.mark.parametrize(
    ("text", "description", "comment"),
    [
        ("fox 0.97", b"fox 0.97\0", b"ASCII\0\0\0fox 0.97"),
        ("", b"\0", b"ASCII\0\0\0"),
        ("Füchse", "Füchse\0".encode(), b"UNICODE\0" + "Füchse".encode("utf-16-be")),
        ("a\0b", b"a b\0", b"ASCII\0\0\0a\0b"),
        ("\udcff", b"?\0", b"UNICODE\0\0?"),
    ],
)
def test_texts_are_kept_in_any_alphabet(text: str, description: bytes, comment: bytes) -> None:
    tags = read_tags(add_exif(encode_jpeg(IMAGE, 80), text, TAKEN_AT, text))
    assert (tags[0x010E], tags[0x9286]) == (description, comment)


def test_long_texts_are_cut_between_two_characters() -> None:
    jpeg = add_exif(encode_jpeg(IMAGE, 80), "ü" * 10**6 + "x", TAKEN_AT, "ü" * 10**6)
    tags = read_tags(jpeg)
    assert tags[0x010E].decode() == "ü" * (MOST_DESCRIPTION // 2) + "\0"
    assert tags[0x9286][8:].decode("utf-16-be") == "ü" * MOST_COMMENT
    assert np.array_equal(decode_image(jpeg), decode_image(encode_jpeg(IMAGE, 80)))


def test_it_states_the_size_and_the_program() -> None:
    tags = read_tags(add_exif(encode_jpeg(IMAGE, 80), "", TAKEN_AT, ""))
    assert (int.from_bytes(tags[0xA002], "big"), int.from_bytes(tags[0xA003], "big")) == (40, 30)
    assert tags[0x0131].startswith(b"Vedette ")


def test_the_image_itself_keeps_every_byte_and_opencv_reads_it() -> None:
    before = encode_jpeg(IMAGE, 80)
    assert before[2:4] == b"\xff\xe0"  # JFIF
    jpeg = add_exif(before, "fox", TAKEN_AT, "x")
    behind_jfif = before[4 + int.from_bytes(before[4:6], "big") :]
    assert jpeg.endswith(behind_jfif)
    assert b"JFIF" not in jpeg
    assert np.array_equal(decode_image(jpeg), decode_image(before))


def test_a_jpeg_without_jfif_gets_it_all_the_same() -> None:
    before = encode_jpeg(IMAGE, 80)
    bare = before[:2] + before[4 + int.from_bytes(before[4:6], "big") :]
    assert add_exif(bare, "fox", TAKEN_AT, "x") == add_exif(before, "fox", TAKEN_AT, "x")
