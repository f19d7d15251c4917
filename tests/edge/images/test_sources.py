"""The pictures that a command names."""

from pathlib import Path

import pytest

from vedette_edge.errors import ImageError
from vedette_edge.images.sources import find_pictures


def test_files_folders_and_patterns_are_expanded(photos: Path) -> None:
    every = [str(photos / name) for name in ("a-red.jpg", "b-green.png", "c-blue.webp")]
    assert list(find_pictures([str(photos)])) == every
    assert list(find_pictures([str(photos / "*.png")])) == every[1:2]
    assert list(find_pictures([every[0], str(photos)])) == [every[0], *every]


def test_all_that_match_nothing_are_named(photos: Path) -> None:
    with pytest.raises(ImageError, match=r"\*\.gif and nowhere: no picture found"):
        list(find_pictures([str(photos / "*.gif"), str(photos), "nowhere"]))
