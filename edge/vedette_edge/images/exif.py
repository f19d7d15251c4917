"""Write Exif into a JPEG: when it was taken, and of what.

Exif 2.32 (CIPA DC-008): 4.6.2 the structure, 4.6.3 to 4.6.5 the tags, 4.7.2 the place in the file.
"""

import struct
from datetime import datetime

from vedette_edge.host.version import read_version
from vedette_edge.images.image_header import Size, read_size

MOST_DESCRIPTION = 1000  # bytes
MOST_COMMENT = 10_000  # characters; a segment takes 65,533 bytes

_APP0, _APP1 = b"\xff\xe0", b"\xff\xe1"
_IMAGE_AT = 8  # bytes of the TIFF header, which the first directory follows
_EXIF_POINTER = 0x8769
_DATE = "%Y:%m:%d %H:%M:%S"
_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
Value = tuple[int, int, bytes]  # type, count, bytes
Tags = dict[int, Value]


def add_exif(jpeg: bytes, description: str, taken_at: float, comment: str) -> bytes:
    """Add an Exif segment to a JPEG that has none, in place of JFIF's, which Exif does not use.

    `taken_at` is in seconds since the epoch; Exif gets this machine's local time, and its offset.
    Texts that are too long are cut. The image's own bytes stay as they are.
    """
    moment = datetime.fromtimestamp(taken_at).astimezone()
    image_tags = _describe_image(description, moment)
    exif_tags = _describe_exif(comment, moment, read_size(jpeg))
    body = b"Exif\0\0" + _pack_tiff(image_tags, exif_tags)
    start = 2  # behind SOI
    if jpeg[start : start + 2] == _APP0:
        start += 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[:2] + _APP1 + struct.pack(">H", 2 + len(body)) + body + jpeg[start:]


def _describe_image(description: str, moment: datetime) -> Tags:
    dots_per_inch = _RATIONAL, 1, struct.pack(">II", 72, 1)
    return {
        0x010E: _pack_text(description),  # ImageDescription
        0x011A: dots_per_inch,  # XResolution
        0x011B: dots_per_inch,  # YResolution
        0x0128: _pack_short(2),  # ResolutionUnit: inches
        0x0131: _pack_text(f"Vedette {read_version()}"),  # Software
        0x0132: _pack_text(moment.strftime(_DATE)),  # DateTime
        0x0213: _pack_short(1),  # YCbCrPositioning: centred
    }


def _describe_exif(comment: str, moment: datetime, size: Size) -> Tags:
    iso = moment.isoformat(timespec="milliseconds")
    milliseconds, offset = _pack_text(iso[20:23]), _pack_text(iso[23:29])
    return {
        0x9000: (_UNDEFINED, 4, b"0232"),  # ExifVersion
        0x9003: _pack_text(moment.strftime(_DATE)),  # DateTimeOriginal
        0x9010: offset,  # OffsetTime
        0x9011: offset,  # OffsetTimeOriginal
        0x9101: (_UNDEFINED, 4, b"\1\2\3\0"),  # ComponentsConfiguration: Y Cb Cr
        0x9286: _pack_comment(comment),  # UserComment
        0x9290: milliseconds,  # SubSecTime
        0x9291: milliseconds,  # SubSecTimeOriginal
        0xA000: (_UNDEFINED, 4, b"0100"),  # FlashpixVersion
        0xA001: _pack_short(1),  # ColorSpace: sRGB
        0xA002: _pack_long(size[0]),  # PixelXDimension
        0xA003: _pack_long(size[1]),  # PixelYDimension
    }


def _pack_tiff(image_tags: Tags, exif_tags: Tags) -> bytes:
    """Pack two directories, of which the first points to the second."""
    exif_at = _IMAGE_AT + len(_pack_directory(image_tags | {_EXIF_POINTER: _pack_long(0)}, 0))
    image_tags = image_tags | {_EXIF_POINTER: _pack_long(exif_at)}
    header = struct.pack(">2sHI", b"MM", 42, _IMAGE_AT)
    return header + _pack_directory(image_tags, _IMAGE_AT) + _pack_directory(exif_tags, exif_at)


def _pack_directory(tags: Tags, start: int) -> bytes:
    """Pack a directory that begins at `start`, and behind it the values of over four bytes."""
    entries, values = struct.pack(">H", len(tags)), b""
    values_at = start + 2 + 12 * len(tags) + 4
    for tag, (kind, count, value) in sorted(tags.items()):
        entries += struct.pack(">HHI", tag, kind, count)
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack(">I", values_at + len(values))
            values += value + b"\0" * (len(value) % 2)  # each begins at an even place
    return entries + bytes(4) + values


def _pack_short(number: int) -> Value:
    return _SHORT, 1, struct.pack(">H", number)


def _pack_long(number: int) -> Value:
    return _LONG, 1, struct.pack(">I", number)


def _pack_text(text: str) -> Value:
    """Pack a text as UTF-8, as programs expect it that show more than Exif's ASCII."""
    cut = text.replace("\0", " ").encode("utf-8", "replace")[:MOST_DESCRIPTION]
    data = cut.decode("utf-8", "ignore").encode() + b"\0"
    return _ASCII, len(data), data


def _pack_comment(text: str) -> Value:
    """Pack a comment behind the code of its characters, which is UTF-16 unless ASCII has all."""
    text = text[:MOST_COMMENT]
    code, encoding = (b"ASCII\0\0\0", "ascii") if text.isascii() else (b"UNICODE\0", "utf-16-be")
    data = code + text.encode(encoding, "replace")
    return _UNDEFINED, len(data), data
