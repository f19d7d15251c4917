"""A run on photographs on a web server, from the command to the model: that of a folder."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from tests.convert.conftest import convert
from tests.edge.servers import QuietHandler, get_url, serve


@pytest.mark.slow
def test_a_run_is_that_of_a_folder_and_is_converted(
    default_run: Path, shapes: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    here, there = default_run / "run", tmp_path / "run"
    with serve(partial(QuietHandler, directory=shapes)) as server:
        url = get_url(server)
        trained = train("fit", url, "--out", there, "--size", "64")
        assert trained.exit_code == 0, trained.stderr
        assert f"listing {url}/ ...\n" in trained.stderr
        assert f"{url}/: 3 classes" in trained.stderr
        for name in ("split.csv", "head.json", "audit.json"):
            assert (here / name).read_bytes() == (there / name).read_bytes()
        assert json.loads((there / "settings.json").read_bytes())["data"] == f"{url}/"
        converted = convert(there)
        assert converted.exit_code == 0, converted.stderr
    assert (there / "model.tflite").exists()
    lost = convert(there)
    assert lost.exit_code == 1
    assert f"Error: {url}/" in lost.stderr
