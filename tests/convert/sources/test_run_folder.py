"""Folders that hold no finished run."""

import re
from pathlib import Path

import pytest

from vedette_convert.errors import RunFolderError
from vedette_convert.sources.run_folder import load_run


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train.log"], "this run did not finish. Repeat the command of vedette-train that"),
        (
            ["train.log", "settings.json", "split.csv", "checkpoint.npz"],
            "this run did not finish. Repeat the command of vedette-train that began it, with",
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
