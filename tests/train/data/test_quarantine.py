"""The quarantine: a list first, files moved only if asked, and none lost on the way."""

from pathlib import Path

import pytest

from vedette_train.data import quarantine
from vedette_train.data.audit import Audit, Finding
from vedette_train.data.quarantine import Suspect
from vedette_train.errors import DatasetError

PAIR = ("fox/a.jpg", "hen/a.jpg")
FOUND = Audit({}, (Finding("identical-across-classes", PAIR, "fox, hen"),))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for file in (*PAIR, "hen/b.jpg"):
        (tmp_path / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / file).write_text(file, encoding="utf-8")
    return tmp_path / "data"


def list_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_files_keep_their_place_within_the_quarantine(data: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    suspects = quarantine.find_suspects(FOUND, aside)
    quarantine.write_list(suspects, aside)
    assert quarantine.move_files(suspects, data, aside) == 2
    assert list_files(aside) == {*PAIR, "quarantine.csv"}
    assert list_files(data) == {"hen/b.jpg"}


def test_an_interrupted_move_goes_on_although_the_half_of_a_pair_looks_harmless(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    suspects = quarantine.find_suspects(FOUND, aside)
    quarantine.write_list(suspects, aside)
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name == "a.jpg" and path.parent.name == "hen":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quarantine.move_files(suspects, data, aside)
    monkeypatch.undo()
    assert list_files(data) == {"hen/a.jpg", "hen/b.jpg"}
    suspects = quarantine.find_suspects(Audit({}, ()), aside)
    listed = quarantine.write_list(suspects, aside).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in listed] == ["file", *PAIR]
    assert quarantine.move_files(suspects, data, aside) == 1
    assert list_files(data) == {"hen/b.jpg"}
    assert quarantine.find_suspects(Audit({}, ()), aside) == []


def test_the_list_goes_on_naming_what_was_moved_before(data: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    for suspects in ([Suspect("fox/a.jpg", "first")], [Suspect("hen/b.jpg", "then, later")]):
        quarantine.write_list(suspects, aside)
        quarantine.move_files(suspects, data, aside)
    assert (aside / "quarantine.csv").read_text(encoding="utf-8").splitlines() == [
        "file,reason", "fox/a.jpg,first", 'hen/b.jpg,"then, later"'
    ]  # fmt: skip


def test_a_list_that_was_not_applied_is_forgotten(data: Path, tmp_path: Path) -> None:
    quarantine.write_list([Suspect("fox/a.jpg", "")], tmp_path / "aside")
    written = quarantine.write_list([], tmp_path / "aside")
    assert written.read_text(encoding="utf-8") == "file,reason\n"


def test_a_link_to_nowhere_is_moved_as_it_is(data: Path, tmp_path: Path) -> None:
    (data / "hen" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert (
        quarantine.move_files(
            [Suspect("hen/gone.jpg", "")], data, create_folder(tmp_path / "aside")
        )
        == 1
    )
    assert (tmp_path / "aside" / "hen" / "gone.jpg").is_symlink()
    assert not (data / "hen" / "gone.jpg").is_symlink()


def test_files_are_moved_to_another_file_system(data: Path, small_disk: Path) -> None:
    suspects = [Suspect(file, "") for file in PAIR]
    (small_disk / "fox").mkdir()
    (small_disk / "fox" / "a.jpg").write_text("fox/a.jpg", encoding="utf-8")  # interrupted there
    assert quarantine.move_files(suspects, data, small_disk) == 2
    assert list_files(small_disk) == set(PAIR)
    assert list_files(data) == {"hen/b.jpg"}


def test_another_file_of_that_name_is_kept_and_nothing_is_moved(data: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    (aside / "hen").mkdir(parents=True)
    (aside / "hen" / "a.jpg").write_text("mine", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"aside/hen/a\.jpg"):
        quarantine.move_files([Suspect(file, "") for file in PAIR], data, aside)
    assert (aside / "hen" / "a.jpg").read_text(encoding="utf-8") == "mine"
    assert list_files(data) == {*PAIR, "hen/b.jpg"}


def test_another_table_is_not_taken_for_a_list(tmp_path: Path) -> None:
    create_folder(tmp_path / "aside").joinpath("quarantine.csv").write_text(
        "a,b\n1,2\n", encoding="utf-8"
    )
    with pytest.raises(DatasetError, match=r"quarantine\.csv"):
        quarantine.write_list([], tmp_path / "aside")


def create_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder
