"""HEIC and AVIF: real files, upright once, 8-bit RGB, and never half a picture or a warning."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests import heif_files
from tests.edge.images.test_decoding import UPRIGHT

from vedette_edge.errors import DecoderMissingError, ImageError
from vedette_edge.images import decoding, image_header

Picture = NDArray[np.uint8]
Encode = Callable[..., bytes]

KINDS = [("HEIC", heif_files.heic), ("AVIF", heif_files.avif)]


def quadrants(height: int = 120, width: int = 180) -> Picture:
    """Red, green over blue, white: no two of its eight orientations are equal. R G B."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    return colours.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def scene(seed: int = 0, height: int = 480, width: int = 640) -> Picture:
    """Coarse colours, as a blurred photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def distance(found: Picture, expected: Picture) -> float:
    """Mean difference, of 255."""
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected).mean())


@pytest.mark.parametrize(("kind", "encode"), KINDS)
def test_a_file_is_of_its_kind_and_gives_its_picture(kind: str, encode: Encode) -> None:
    data = encode(scene())
    assert image_header.detect_format(data) == kind
    assert distance(decoding.decode_image(data), scene()) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("encode", [heif_files.turned_heic, heif_files.turned_avif])
def test_what_container_and_exif_both_turn_is_turned_once(encode: Encode, orientation: int) -> None:
    found = decoding.decode_image(encode(quadrants(), orientation))
    assert distance(found, UPRIGHT[orientation](quadrants())) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("encode", [heif_files.exif_alone_heic, heif_files.exif_alone_avif])
def test_exif_alone_turns_nothing(encode: Encode, orientation: int) -> None:
    data = encode(quadrants(), orientation)
    assert b"irot" not in data
    assert b"imir" not in data
    assert distance(decoding.decode_image(data), quadrants()) < 3


@pytest.mark.parametrize("encode", [heif_files.turned_heic, heif_files.turned_avif])
def test_a_picture_of_odd_sides_is_turned_whole(encode: Encode) -> None:
    picture = scene(height=101, width=67)
    assert distance(decoding.decode_image(encode(picture, 6)), np.rot90(picture, -1)) < 4


def test_the_tiles_of_a_phone_s_heic_are_put_together() -> None:
    data = heif_files.heic(scene(height=700, width=1100), tile_size=512)
    assert data.count(b"hvc1") > 4
    assert distance(decoding.decode_image(data), scene(height=700, width=1100)) < 3


@pytest.mark.parametrize(("kind", "encode"), KINDS)
def test_grey_becomes_rgb(kind: str, encode: Encode) -> None:
    grey = np.ascontiguousarray(scene()[..., 0])
    assert distance(decoding.decode_image(encode(grey)), np.dstack([grey] * 3)) < 3


@pytest.mark.parametrize(("kind", "encode"), KINDS)
def test_the_colour_beneath_transparency_counts(kind: str, encode: Encode) -> None:
    clear = np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)])
    assert distance(decoding.decode_image(encode(clear)), scene()) < 3


def test_ten_bits_become_eight() -> None:
    grey = np.ascontiguousarray(scene()[..., 0])
    assert distance(decoding.decode_image(heif_files.deep_heic(scene())), scene()) < 3
    assert distance(decoding.decode_image(heif_files.deep_heic(grey)), np.dstack([grey] * 3)) < 3
    settings = (cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 95)
    deep_bgr = cv2.cvtColor(scene(), cv2.COLOR_RGB2BGR).astype(np.uint16) * 4
    done, data = cv2.imencode(".avif", deep_bgr, settings)
    assert done
    assert distance(decoding.decode_image(data.tobytes()), scene()) < 3


def test_the_picture_may_be_written_to() -> None:
    for _, encode in KINDS:
        picture = decoding.decode_image(encode(scene()))
        picture[:] = 0
        assert not picture.any()


@pytest.mark.parametrize("settings", [{}, {"tile_size": 256}])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.95, 0.999])
def test_a_cut_heic_is_an_error_and_not_half_a_picture(
    settings: dict[str, int], share: float
) -> None:
    whole = heif_files.heic(scene(), **settings)
    with pytest.raises(ImageError) as raised:
        decoding.decode_image(whole[: max(16, int(share * len(whole)))])
    assert not isinstance(raised.value, DecoderMissingError)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.95, 0.999])
def test_a_cut_avif_is_an_error_and_not_half_a_picture(share: float) -> None:
    whole = heif_files.avif(scene())
    with pytest.raises(ImageError):
        decoding.decode_image(whole[: max(16, int(share * len(whole)))])


@pytest.mark.parametrize(("kind", "encode"), KINDS)
def test_harmed_bytes_give_a_picture_or_an_error_and_nothing_else(
    kind: str, encode: Encode
) -> None:
    whole, random = encode(scene(height=96, width=128)), np.random.default_rng(0)
    for _ in range(300):
        data = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(12, len(data), 4)
        data[places] = random.integers(0, 256, 4)
        with suppress(ImageError):
            picture = decoding.decode_image(data.tobytes())
            assert picture.dtype == np.uint8
            assert picture.shape[2:] == (3,)


@pytest.mark.parametrize(("kind", "encode"), KINDS)
def test_what_is_larger_than_opencv_s_limit_is_refused_before_it_is_decoded(
    kind: str, encode: Encode
) -> None:
    data = encode(scene())
    at = data.index(b"ispe") + 8
    side = (40_000).to_bytes(4, "big")
    with pytest.raises(ImageError):
        decoding.decode_image(data[:at] + side + side + data[at + 8 :])


def test_broken_exif_is_no_error_and_no_warning() -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40
    assert distance(decoding.decode_image(heif_files.heic(scene(), exif=broken)), scene()) < 3
    whole = heif_files.avif(scene(), exif=heif_files.exif({0x0106: 2}))
    at = whole.index(b"MM\0*") + 8
    assert distance(decoding.decode_image(whole[:at] + b"\xff" * 6 + whole[at + 6 :]), scene()) < 3


def test_threads_decode_side_by_side_what_one_decodes() -> None:
    files = [encode(scene(seed)) for seed in range(6) for _, encode in KINDS]
    alone = list(map(decoding.decode_image, files))
    with ThreadPoolExecutor(4) as workers:
        together = list(workers.map(decoding.decode_image, 4 * files))
    for found, expected in zip(together, 4 * alone, strict=True):
        assert np.array_equal(found, expected)


def test_what_decodes_them_is_loaded_when_one_is_met_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(heif_files.heic(scene()))
    code = (
        "import sys; from pathlib import Path; from vedette_edge.images import decoding\n"
        "def loaded(): return [name for name in ('PIL', 'pillow_heif') if name in sys.modules]\n"
        "print(loaded()); decoding.read_image(Path(sys.argv[1])); print(loaded())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.heic")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['PIL', 'pillow_heif']"]
