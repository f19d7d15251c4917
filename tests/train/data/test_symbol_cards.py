"""The demonstration set: its glyphs, frames, files and printed sheet."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font

from vedette_train.data import symbol_cards


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def read_files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@dataclass(frozen=True)
class DrawnSet:
    """A small set: the number of calls of `advance`, and its files."""

    steps: int
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnSet:
    folder = tmp_path_factory.mktemp("set")
    steps: list[None] = []
    symbol_cards.draw_set(folder, 2, 1, advance=lambda: steps.append(None))
    return DrawnSet(len(steps), read_files(folder))


def test_there_are_fifty_classes_with_plain_names() -> None:
    assert len(symbol_cards.CARDS) == 50
    assert all(name.isascii() and name.isidentifier() for name in symbol_cards.CARDS)
    assert all(name == name.lower() for name in symbol_cards.CARDS)


def test_dejavu_sans_has_every_glyph() -> None:
    font = FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")))
    lacking = [
        name for name, glyph in symbol_cards.CARDS.items() if not font.get_char_index(ord(glyph))
    ]
    assert lacking == []


def test_no_two_glyphs_are_drawn_alike() -> None:
    masks = np.array(
        [symbol_cards.render_glyph(glyph).ravel() for glyph in symbol_cards.CARDS.values()]
    )
    inked = masks.sum(axis=1)
    shared = masks @ masks.T
    alike = shared / (inked[:, None] + inked - shared) - np.eye(len(masks))
    assert alike.max() < 0.9


def test_a_glyph_keeps_clear_of_the_edge_of_its_card() -> None:
    for glyph in symbol_cards.CARDS.values():
        mask = symbol_cards.render_glyph(glyph).copy()
        mask[20:-20, 20:-20] = 0
        assert not mask.any()


def test_a_frame_is_an_rgb_picture_of_320_by_240() -> None:
    frame_rgb = symbol_cards.draw_card(symbol_cards.CARDS["umbrella"], generator())
    assert frame_rgb.shape == (240, 320, 3)
    assert frame_rgb.dtype == np.uint8
    assert frame_rgb.std() > 10


def test_frames_of_one_glyph_differ() -> None:
    glyph = symbol_cards.CARDS["umbrella"]
    first = symbol_cards.draw_card(glyph, generator(0)).astype(float)
    assert abs(first - symbol_cards.draw_card(glyph, generator(1))).mean() > 5


def test_the_whole_glyph_is_always_in_view() -> None:
    low, high = (
        symbol_cards.CARD_PX * (1 + sign * symbol_cards.GLYPH_SHARE) / 2 for sign in (-1, 1)
    )
    flat = np.array([[(low, low), (high, low), (high, high), (low, high)]])
    for seed in range(300):
        seen = cv2.perspectiveTransform(flat, symbol_cards.place_card(generator(seed)))[0]
        assert (seen > 0).all()
        assert (seen < (symbol_cards.WIDTH_PX, symbol_cards.HEIGHT_PX)).all()


def test_every_background_is_a_picture_between_black_and_white() -> None:
    for seed in range(30):
        scene = symbol_cards.draw_background(generator(seed))
        assert scene.shape == (240, 320, 3)
        assert 0 <= scene.min() <= scene.max() <= 1


def test_a_motion_blur_keeps_the_brightness() -> None:
    for seed in range(20):
        assert symbol_cards.build_motion_kernel(generator(seed)).sum() == pytest.approx(1)


def test_a_set_has_its_parts_in_class_folders_and_one_flat_frame_a_class(drawn: DrawnSet) -> None:
    assert symbol_cards.count_cards(2, 1) == len(drawn.files) == 200
    assert {name for name in drawn.files if "umbrella" in name} == {
        "cards/train/umbrella/0001.jpg",
        "cards/train/umbrella/0002.jpg",
        "cards/test/umbrella/0001.jpg",
        "frames/umbrella/0001.jpg",
    }


def test_progress_advances_once_for_each_picture(drawn: DrawnSet) -> None:
    assert drawn.steps == len(drawn.files)


def test_the_pictures_of_a_set_are_jpegs_that_differ(drawn: DrawnSet) -> None:
    assert len(set(drawn.files.values())) == len(drawn.files)
    jpeg = np.frombuffer(drawn.files["cards/train/umbrella/0001.jpg"], np.uint8)
    picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (240, 320, 3)


def test_the_same_seed_draws_the_same_bytes_however_many_are_drawn(
    drawn: DrawnSet, tmp_path: Path
) -> None:
    symbol_cards.draw_set(tmp_path, train_per_class=1, test_per_class=0)
    assert read_files(tmp_path).items() <= drawn.files.items()


def test_another_seed_draws_other_pictures(drawn: DrawnSet, tmp_path: Path) -> None:
    symbol_cards.draw_set(tmp_path, train_per_class=0, test_per_class=0, seed=1)
    other = read_files(tmp_path)
    assert other.keys() <= drawn.files.keys()
    assert not set(other.values()) & set(drawn.files.values())


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # numpy's own
        symbol_cards.draw_set(tmp_path, train_per_class=1, test_per_class=0, seed=-1)


def test_the_sheet_is_a_pdf_of_nine_pages(tmp_path: Path) -> None:
    sheet = tmp_path / "cards.pdf"
    sheet.write_bytes(b"an older sheet")
    symbol_cards.draw_sheet(sheet)
    written = sheet.read_bytes()
    assert written.startswith(b"%PDF-")
    assert b"/Count 9" in written
    assert list(tmp_path.iterdir()) == [sheet]
