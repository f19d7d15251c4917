"""HEIC and AVIF where what decodes them is not installed, as on every Pi: told of, never lost."""

import json
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.edge.conftest import EventLog

from vedette_edge.__main__ import main
from vedette_edge.cameras import open_frames
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import DecoderMissingError
from vedette_edge.images import decoding, image_header

pytestmark = pytest.mark.usefixtures("without_heif")

MIF1, MSF1 = b"mif1", b"msf1"  # containers of either


def begin(*brands: bytes) -> bytes:
    """The first bytes of a file of these brands, and a little more."""
    size = (16 + 4 * len(brands)).to_bytes(4, "big")
    return size + b"ftyp" + brands[0] + bytes(4) + b"".join(brands) + bytes(40)


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        *(((brand,), "HEIC") for brand in b"heic heix hevc hevx heim heis mif1 msf1".split()),
        *(((brand,), "AVIF") for brand in b"avif avis".split()),
        ((MIF1, b"miaf", b"avif"), "AVIF"),
        ((MIF1, b"heic"), "HEIC"),
        ((b"heic", MIF1, b"MiHE", b"miaf", b"MiPr"), "HEIC"),  # an iPhone's
        ((b"isom", b"iso2", b"avc1", b"mp41"), ""),  # a video
    ],
)
def test_the_kind_is_told_by_the_brands(brands: tuple[bytes, ...], kind: str) -> None:
    assert image_header.detect_format(begin(*brands)) == kind


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
def test_the_error_is_one_line_with_the_command_that_installs(brand: bytes) -> None:
    with pytest.raises(DecoderMissingError) as raised:
        decoding.decode_image(begin(brand))
    assert decoding.HEIF_INSTALL in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.fixture
def mixed(photos: Path) -> Path:
    """Three pictures, and one of each ending that is not decoded here."""
    for name in ("e.HEIC", "f.heif", "g.hif"):
        (photos / name).write_bytes(begin(b"heic"))
    (photos / "h.avif").write_bytes(begin(b"avif"))
    return photos


def test_predict_tells_of_each_counts_them_and_ends_with_4(model: Path, mixed: Path) -> None:
    result = CliRunner().invoke(main, ["predict", str(model), str(mixed), "--json"])
    assert result.exit_code == 4
    *lines, count = result.stderr.splitlines()
    assert [Path(line.split(":")[0]).name for line in lines] == [
        "e.HEIC",
        "f.heif",
        "g.hif",
        "h.avif",
    ]
    assert all(decoding.HEIF_INSTALL in line for line in lines)
    assert count.startswith("4 of 7 ")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [("label" in row, "error" in row) for row in rows] == 3 * [(True, False)] + 4 * [
        (False, True)
    ]


def test_a_camera_that_shows_a_folder_tells_of_each_once_and_goes_on(
    mixed: Path, event_log: EventLog
) -> None:
    frames = open_frames(CameraConfig(str(mixed), loop=True), event_log.add)
    assert {Path(frame.source).suffix for frame in islice(frames, 9)} == {".jpg", ".png", ".webp"}
    assert len(event_log.details("skipped_file")) == 4
