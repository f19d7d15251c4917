"""Folders of photographs become classes, and other files are named: on a disk and on a server."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.edge.servers import QuietHandler, get_url, serve

from vedette_train.data import discovery
from vedette_train.data.discovery import Dataset
from vedette_train.data.remote_folder import open_folder
from vedette_train.errors import DatasetError


def write_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


Scan = Callable[[Path], Dataset]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A web server, by the folder and the URL that all folders of these tests are in."""
    base = tmp_path_factory.getbasetemp()
    with serve(partial(QuietHandler, directory=base)) as server:
        yield base, get_url(server)


@pytest.fixture(params=["disk", "server"])
def scan(request: pytest.FixtureRequest, server: tuple[Path, str]) -> Scan:
    """Scans a folder, by its path or by its URL."""
    if request.param == "disk":
        return discovery.scan_dataset
    base, url = server
    return lambda folder: discovery.scan_dataset(open_folder(f"{url}/{folder.relative_to(base)}"))


def test_classes_are_sorted_by_name_and_files_within(scan: Scan, tmp_path: Path) -> None:
    dataset = scan(write_files(tmp_path, "hen/2.jpg", "hen/1.JPG", "fox/a.png", "Cat/z.webp"))
    assert dataset.labels == ("Cat", "fox", "hen")
    assert [(one.file, one.label) for one in dataset.photographs] == [
        ("Cat/z.webp", 0),
        ("fox/a.png", 1),
        ("hen/1.JPG", 2),
        ("hen/2.jpg", 2),
    ]


def test_hidden_and_empty_folders_are_no_classes(scan: Scan, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    dataset = scan(
        write_files(
            tmp_path, "hen/1.jpg", "fox/1.jpg", ".git/x.jpg", "__pycache__/m.pyc", "hen/.t/2.jpg"
        )
    )
    assert dataset.labels == ("fox", "hen")
    assert len(dataset.photographs) == 2
    assert dataset.empty == ("__pycache__", "empty")
    assert dataset.hidden == (".git", "hen/.t")


def test_strays_are_named(scan: Scan, tmp_path: Path) -> None:
    dataset = scan(
        write_files(
            tmp_path,
            "hen/1.jpg",
            "hen/notes.txt",
            "fox/1.jpg",
            "loose.jpg",
            ".DS_Store",
        )
    )
    assert dataset.ignored == {
        "loose.jpg": discovery.OUTSIDE_CLASSES,
        "hen/notes.txt": discovery.NOT_AN_IMAGE,
    }


def test_pictures_in_folders_within_a_class_belong_to_it(scan: Scan, tmp_path: Path) -> None:
    dataset = scan(write_files(tmp_path, "hen/day1/1.jpg", "hen/2.jpg", "fox/1.jpg"))
    assert [one.file for one in dataset.photographs] == ["fox/1.jpg", "hen/2.jpg", "hen/day1/1.jpg"]


def test_a_train_and_a_test_folder_are_the_split(scan: Scan, tmp_path: Path) -> None:
    dataset = scan(
        write_files(
            tmp_path,
            "train/hen/1.jpg",
            "train/fox/1.jpg",
            "test/hen/9.jpg",
            "test/fox/9.jpg",
            "cards.pdf",
        )
    )
    assert dataset.labels == ("fox", "hen")
    assert {(one.file, one.part) for one in dataset.photographs} == {
        ("train/hen/1.jpg", "train"),
        ("train/fox/1.jpg", "train"),
        ("test/hen/9.jpg", "test"),
        ("test/fox/9.jpg", "test"),
    }


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("training", "valid", "testing"),
        ("training_set", "validation_set", "test_set"),
        ("Train", "Validation", "Test"),
    ],
)
def test_the_folders_of_parts_have_many_names(
    scan: Scan, tmp_path: Path, train: str, validation: str, test: str
) -> None:
    files = [f"{part}/{name}/1.jpg" for part in (train, validation, test) for name in ("a", "b")]
    dataset = scan(write_files(tmp_path, *files))
    assert dataset.labels == ("a", "b")
    parts = {one.file.partition("/")[0]: one.part for one in dataset.photographs}
    assert parts == {train: "train", validation: "validation", test: "test"}


def test_files_beside_the_folders_of_parts_are_named(scan: Scan, tmp_path: Path) -> None:
    files = [f"{part}/{name}/1.jpg" for part in ("train", "val") for name in ("a", "b")]
    dataset = scan(write_files(tmp_path, *files, "pred/1.jpg", "labels.csv"))
    assert dataset.ignored == dict.fromkeys(("pred/1.jpg", "labels.csv"), discovery.OUTSIDE_CLASSES)


@pytest.mark.parametrize("name", ["test", "valid", "freight_train"])
def test_a_class_may_be_called_as_a_part(scan: Scan, tmp_path: Path, name: str) -> None:
    names = (f"{name}/1.jpg", f"{name}/day/1.jpg", "car/1.jpg")
    assert scan(write_files(tmp_path, *names)).labels == tuple(sorted(("car", name)))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no class found"),
        (("hen/1.jpg",), "one class, 'hen'"),
        (("photos/hen/1.jpg", "photos/fox/1.jpg"), r"Did you mean .*photos\?"),
        (("set/train/a/1.jpg", "set/test/a/1.jpg", "x/1.txt"), r"Did you mean .*set\?"),
        (("hen/1.jpg", "hen/day1/1.jpg"), r"one a class\.$"),
        (("train/hen/1.jpg", "train/fox/1.jpg", "test/hen/1.jpg"), "fox is in train/"),
        (("train/hen/1.jpg", "test/hen/1.jpg", "test/fox/1.jpg"), "fox is in test/"),
        (("hen/1.jpg", "Unknown/1.jpg"), "called Unknown, .* train with --unknown FOLDER"),
        (("hen/1.jpg", "unknown /1.jpg"), "called unknown, .* train with --unknown FOLDER"),
        (("hen/1.jpg", "hen /1.jpg"), "'hen' and 'hen ' have names that look the same"),
        (("f\u00fcr/1.jpg", "fu\u0308r/1.jpg"), "have names that look the same"),
        (("hen/1.jpg", f"{201 * 'a'}/1.jpg"), "has 201 characters, expected at most 200"),
        (("train/hen/1.jpg", "train/fox/1.jpg", "cards.pdf"), "train/ holds folders"),
        (("train/hen/1.jpg", "train/Thumbs.db", "fox/1.jpg"), "train/ holds folders"),
        (("val/hen/1.jpg", "val/fox/1.jpg", "test/hen/1.jpg"), "test/ and val/ hold folders"),
        (("train/hen/1.jpg", "train/fox/1.jpg", "test/1.jpg"), "test: no class folders"),
        (("train/1.jpg", "test/1.jpg"), "train: no class folders"),
        (("train/a/1.jpg", "training/a/1.jpg", "val/a/1.jpg"), "train/ and training/ are both"),
        (("a/train/1.jpg", "a/test/1.jpg", "b/1.jpg"), "a/ holds test/ and train/, expected .*"),
        (
            ("seg_train/a/1.jpg", "seg_test/a/1.jpg"),
            "seg_test/ and seg_train/ hold folders.*example .*seg_train;",
        ),
        (
            ("trn/a/1.jpg", "trn/b/1.jpg", "tst/a/1.jpg", "tst/b/1.jpg", "doc/1.txt"),
            "trn/ and tst/ hold folders, as parts of a data set do",
        ),
        (
            ("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg", "test2/a/1.jpg"),
            "test2/ beside train/ and val/.*move test2/ out of",
        ),
        (("hen/1.jpg", "  /1.jpg"), "class folder '  ' has a name .* more than blanks. Rename it"),
        (
            ("train/a/1.jpg", *(f"test/{name}/1.jpg" for name in "abcdefghijklmn")),
            "b, c, d, e, f, g, h, i, j, k and 3 more are in test/",
        ),
        (("train/hen/1.jpg", "train/fox/1.jpg", "val/hen/1.jpg"), "fox is in train/ .* in val/"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_an_error(
    scan: Scan, tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        scan(write_files(tmp_path, *names))


def test_a_class_whose_name_is_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'\\udce9' .*expected printable text"):
        discovery.scan_dataset(write_files(tmp_path, "hen/1.jpg", "\udce9/1.jpg"))


def test_classes_may_each_hold_a_folder_of_one_name(scan: Scan, tmp_path: Path) -> None:
    names = ("hen/photos/1.jpg", "fox/photos/1.jpg")
    assert scan(write_files(tmp_path, *names)).labels == ("fox", "hen")


def test_classes_with_pictures_may_hold_the_same_folders(scan: Scan, tmp_path: Path) -> None:
    inner = [f"{name}/{day}/1.jpg" for name in ("hen", "fox") for day in ("day1", "day2")]
    dataset = scan(write_files(tmp_path, *inner, "hen/1.jpg", "fox/1.jpg"))
    assert dataset.labels == ("fox", "hen")


def test_links_to_folders_are_followed_only_in_place_of_a_class(tmp_path: Path) -> None:
    write_files(tmp_path, "elsewhere/hen/1.jpg", "elsewhere/2.jpg", "data/fox/1.jpg")
    data = tmp_path / "data"
    links = {
        "hen": "../elsewhere/hen",
        "fox/more": "../../elsewhere",
        "fox/.hidden": "../../elsewhere",
        "fox/again.jpg": "../fox",
        "all": "../data",
        "cat": "../unmounted",
        "fox/2.jpg": "../../elsewhere/2.jpg",
    }
    for name, target in links.items():
        (data / name).symlink_to(target)
    dataset = discovery.scan_dataset(data)
    assert [one.file for one in dataset.photographs] == ["fox/1.jpg", "fox/2.jpg", "hen/1.jpg"]
    assert dataset.ignored == {
        "all": discovery.FOLDER_LINK,
        "cat": discovery.BROKEN_LINK,
        "fox/again.jpg": discovery.FOLDER_LINK,
        "fox/more": discovery.FOLDER_LINK,
    }


def test_a_class_of_nothing_but_a_link_is_explained(tmp_path: Path) -> None:
    write_files(tmp_path, "elsewhere/1.jpg", "data/fox/1.jpg", "data/hen/notes.txt")
    (tmp_path / "data" / "hen" / "day1").symlink_to("../../elsewhere")
    with pytest.raises(DatasetError, match=r"hen/day1 is a link to a folder"):
        discovery.scan_dataset(tmp_path / "data")


def test_a_file_is_not_a_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.jpg"):
        discovery.scan_dataset(write_files(tmp_path, "a.jpg") / "a.jpg")


def test_a_folder_that_the_server_does_not_have_is_an_error(server: tuple[Path, str]) -> None:
    with pytest.raises(DatasetError, match=r"/nowhere/: not a folder; expected one folder"):
        discovery.scan_dataset(open_folder(f"{server[1]}/nowhere"))
