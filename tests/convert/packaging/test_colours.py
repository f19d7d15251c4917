"""The models that the edge's tests run on are those that this code makes."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from vedette_edge import Classifier

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["colours", "shares"])
def test_the_committed_model_is_what_the_code_makes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new.tflite"
    path.write_bytes(runpy.run_path(str(TESTS / "make_colours.py"))[f"build_{name}"]())
    new, old = Classifier(path), Classifier(TESTS / "edge" / f"{name}.tflite")
    assert new.contract == old.contract
    for colour in np.random.default_rng(0).integers(0, 256, (50, 3), np.uint8):
        picture = np.full((24, 32, 3), colour, np.uint8)
        assert np.array_equal(new.score(picture).scores, old.score(picture).scores)
