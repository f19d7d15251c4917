"""The model that the edge's tests run on is the one that this code makes."""

import runpy
from pathlib import Path

import numpy as np

from vedette_edge import Classifier

TESTS = Path(__file__).parents[2]


def test_the_committed_model_is_what_the_code_makes(tmp_path: Path) -> None:
    path = tmp_path / "colours.tflite"
    path.write_bytes(runpy.run_path(str(TESTS / "make_colours.py"))["build_model_file"]())
    new, old = Classifier(path), Classifier(TESTS / "edge" / "colours.tflite")
    assert new.contract == old.contract
    for colour in np.random.default_rng(0).integers(0, 256, (50, 3), np.uint8):
        picture = np.full((24, 32, 3), colour, np.uint8)
        assert np.array_equal(new.score(picture).scores, old.score(picture).scores)
