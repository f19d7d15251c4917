"""Folders that hold no finished run."""

import fcntl
import re
import shutil
from pathlib import Path

import pytest

from vedette_convert.errors import RunFolderError
from vedette_convert.sources.run_folder import load_run
from vedette_edge.errors import SettingError


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train.log"], "this run did not finish. Repeat the command of vedette-train that"),
        (
            ["train.log", "settings.json", "split.csv", "checkpoint.npz"],
            "was interrupted. Repeat the command of vedette-train that began it, with --resume",
        ),
        (
            ["Trained_Weight.h5", "contract.json", "settings.json", "split.csv", "checkpoint.npz"],
            "was interrupted. Repeat the command of vedette-train that began it, with --resume",
        ),
        (["train.log", "Trained_Weight.h5"], "contract.json, split.csv, settings.json not found"),
        (["hen.jpg"], "not a run: expected a folder that vedette-train fit wrote, with Trained"),
    ],
)
def test_a_folder_without_a_finished_run_is_an_error_that_says_what_to_do(
    files: list[str], message: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(RunFolderError, match=re.escape(f"{tmp_path}: {message}")) as error:
        load_run(tmp_path)
    assert ("--resume" in str(error.value)) == ("checkpoint.npz" in files)


def test_a_run_that_is_being_trained_is_refused_until_the_training_has_ended(
    run_folder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    with (run / "train.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711")
        file.flush()
        with pytest.raises(RunFolderError, match=re.escape(f"{run}: process 4711 is training")):
            load_run(run)
    assert load_run(run).photographs  # a killed training leaves the file, but no lock


@pytest.mark.parametrize("url", ["s3://season/2026", "s3://season/2026/"])
def test_photographs_may_have_moved_to_a_server(run_folder: Path, url: str) -> None:
    here, there = load_run(run_folder).photographs, load_run(run_folder, url).photographs
    names = [Path(one.file).relative_to(Path(here[0].file).parents[1]) for one in here]
    assert [one.file for one in there] == [f"s3://season/2026/{name}" for name in names]


def test_a_run_whose_settings_name_a_url_of_another_kind_is_refused(
    run_folder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    (run / "settings.json").write_text('{"data": "file:///etc/"}', encoding="utf-8")
    with pytest.raises(SettingError, match=r"^file:///etc/: expected a path, or a URL that"):
        load_run(run)
