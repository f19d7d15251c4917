"""Folders of photographs become classes, and what is no photograph is named."""

from pathlib import Path

import pytest

from vedette_train.data import discovery
from vedette_train.errors import DatasetError


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_classes_are_sorted_by_name_and_files_within(tmp_path: Path) -> None:
    found = discovery.scan_dataset(
        files(tmp_path, "hen/2.jpg", "hen/1.JPG", "fox/a.png", "Cat/z.webp")
    )
    assert found.labels == ("Cat", "fox", "hen")
    assert [(one.file, one.label) for one in found.photographs] == [
        ("Cat/z.webp", 0),
        ("fox/a.png", 1),
        ("hen/1.JPG", 2),
        ("hen/2.jpg", 2),
    ]


def test_hidden_and_empty_folders_are_no_classes(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = discovery.scan_dataset(
        files(tmp_path, "hen/1.jpg", "fox/1.jpg", ".git/x.jpg", "__pycache__/m.pyc", "hen/.t/2.jpg")
    )
    assert found.labels == ("fox", "hen")
    assert len(found.photographs) == 2


def test_strays_are_named(tmp_path: Path) -> None:
    found = discovery.scan_dataset(
        files(
            tmp_path,
            "hen/1.jpg",
            "hen/notes.txt",
            "fox/1.jpg",
            "loose.jpg",
            ".DS_Store",
            "hen/\r.jpg",
        )
    )
    assert found.ignored == {
        "loose.jpg": discovery.OUTSIDE_CLASSES,
        "hen/\r.jpg": discovery.NOT_AN_IMAGE,
        "hen/notes.txt": discovery.NOT_AN_IMAGE,
    }


def test_pictures_in_folders_within_a_class_belong_to_it(tmp_path: Path) -> None:
    found = discovery.scan_dataset(files(tmp_path, "hen/day1/1.jpg", "hen/2.jpg", "fox/1.jpg"))
    assert [one.file for one in found.photographs] == ["fox/1.jpg", "hen/2.jpg", "hen/day1/1.jpg"]


def test_a_train_and_a_test_folder_are_the_split(tmp_path: Path) -> None:
    found = discovery.scan_dataset(
        files(
            tmp_path,
            "train/hen/1.jpg",
            "train/fox/1.jpg",
            "test/hen/9.jpg",
            "test/fox/9.jpg",
            "cards.pdf",
        )
    )
    assert found.labels == ("fox", "hen")
    assert {(one.file, one.part) for one in found.photographs} == {
        ("train/hen/1.jpg", "train"),
        ("train/fox/1.jpg", "train"),
        ("test/hen/9.jpg", "test"),
        ("test/fox/9.jpg", "test"),
    }


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "no class found"),
        (("hen/1.jpg",), "one class, 'hen'"),
        (("photos/hen/1.jpg", "photos/fox/1.jpg"), "Did you mean .*photos"),
        (("train/hen/1.jpg", "train/fox/1.jpg", "test/hen/1.jpg"), "fox stands in train/"),
        (("train/hen/1.jpg", "test/hen/1.jpg", "test/fox/1.jpg"), "fox stands in test/"),
        (("train/hen/1.jpg", "train/fox/1.jpg", "val/hen/1.jpg", "val/fox/1.jpg"), "has train/"),
    ],
)
def test_what_cannot_be_trained_on_is_an_error(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DatasetError, match=said):
        discovery.scan_dataset(files(tmp_path, *names))


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no folder"):
        discovery.scan_dataset(files(tmp_path, "a.jpg") / "a.jpg")
