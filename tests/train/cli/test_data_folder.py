"""DATA of the commands: a folder of this machine, or for fit the URL of one."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import vedette_train
from vedette_edge.errors import SettingError

Train = Callable[..., Result]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://bucket/photos", "begins with s3://, https:// or http://"),
        ("file:///etc", "begins with s3://, https:// or http://"),
        ("https://me:secret@server/photos/", "https://server: a name or a password in a URL shows"),
    ],
)
def test_urls_that_are_not_read_are_refused(
    train: Train, tmp_path: Path, url: str, reason: str
) -> None:
    result = train("fit", url, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert reason in result.stderr
    assert "secret" not in result.stderr
    with pytest.raises(SettingError, match=reason):
        vedette_train.train(url, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "s3://season/photos/"),
        ("fit", "photos", "--out", "run", "--unknown", "s3://season/empty/"),
        ("fit", "photos", "--out", "run", "--start", "https://server/run"),
    ],
)
def test_what_takes_no_url_says_so(
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    result = train(*arguments)
    assert result.exit_code == 2
    assert f"{arguments[-1]} is a URL, expected a folder of this machine." in result.stderr


def test_without_the_package_fit_says_what_to_install(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "vedette_edge.images.remote", raising=False)
    monkeypatch.delattr("vedette_edge.images.remote", raising=False)
    result = train("fit", "https://server/photos/", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "pip install 'vedette-edge[remote]'" in result.stderr


def test_a_folder_that_is_not_there_is_an_error(train: Train, tmp_path: Path) -> None:
    result = train("fit", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
