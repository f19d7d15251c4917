"""Pictures in folders: all of them, in the order of their paths, and no circle twice."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.images import discovery

NAMES = st.text("ab.-/é", min_size=1, max_size=6).map(lambda name: f"{name.strip('./')}x.jpg")


@given(names=st.sets(NAMES, max_size=12))
def test_files_come_in_the_order_of_their_paths(names: set[str]) -> None:
    with TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        files = list(discovery.find_files(Path(folder)))
    visible = [name for name in names if not any(p.startswith(".") for p in Path(name).parts)]
    assert files == sorted({Path(folder, name) for name in visible})


def test_pictures_in_a_folder_are_found_at_any_depth_by_any_case_of_their_ending(
    tmp_path: Path,
) -> None:
    for name in ("b.JPG", "sub/a.JpEg", "c.webp", "notes.txt", ".hidden.jpg", ".trash/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in discovery.find_images(tmp_path)]
    assert names == ["b.JPG", "c.webp", "sub/a.JpEg"]


def test_linked_folders_are_followed_and_circles_only_once(tmp_path: Path, photos: Path) -> None:
    inner = tmp_path / "links"
    inner.mkdir()
    (inner / "there").symlink_to(photos)
    (inner / "circle").symlink_to(inner)
    assert len(discovery.find_images(inner)) == 3


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_subfolder_that_may_not_be_read_or_has_vanished_is_passed_over(
    photos: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    (photos / "lost+found").mkdir()
    list_folder, unreadable = os.scandir, photos / "lost+found"

    def refuse(path: Path) -> object:
        if Path(path) == unreadable:
            raise error(1, "Not now", path)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert len(discovery.find_images(photos)) == 3
    with pytest.raises(error, match=r"lost\+found"):
        discovery.find_images(photos, strict=True)
    unreadable = photos
    with pytest.raises(error, match=photos.name):
        discovery.find_images(photos)
