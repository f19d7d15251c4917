"""Another runtime reads the same file: MediaPipe's ImageClassifier says what the edge says.

MediaPipe brings an OpenCV of its own, so it gets an environment of its own in build/mediapipe.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from vedette_convert.cli import main
from vedette_edge import Classifier
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.classifier import Classification

REQUIREMENT = "mediapipe==1.2.2"
SCRIPT = Path(__file__).parents[1] / "mediapipe_scores.py"
STEP = 1 / 256  # of an output of one byte
THRESHOLD = 0.75

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(environment: Callable[..., Path]) -> Path:
    """The interpreter of an environment with MediaPipe."""
    return environment("mediapipe", REQUIREMENT)


def run_command(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def find_last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]


@pytest.fixture(scope="module")
def model(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's model that calls what it is not sure of unknown."""
    folder = tmp_path_factory.mktemp("mediapipe")
    run = shutil.copytree(run_folder, folder / "run")
    contract = json.loads((run / "contract.json").read_bytes())
    contract["confidence"]["unknown_below"] = THRESHOLD
    (run / "contract.json").write_text(json.dumps(contract), "utf-8")
    result = CliRunner().invoke(main, [str(run), "--out", str(folder / "model.tflite")])
    assert result.exit_code == 0, result.stderr
    return folder / "model.tflite"


def classify_with_mediapipe(python: Path, model: Path, files: list[Path]) -> list[dict[str, Any]]:
    """What MediaPipe says of each file."""
    done = run_command(python, SCRIPT, model, *files)
    if "cannot open shared object file" in done.stderr:
        pytest.skip(f"apt install libegl1 libgles2: {find_last_line(done.stderr)}")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(900)  # another run is trained, and the environment is made once
def test_mediapipe_gives_the_labels_of_a_head_in_closed_form(
    python: Path, head_model: Path, shapes: Path, tmp_path: Path
) -> None:
    classifier = Classifier(head_model)
    files, ours = [], []
    for number, path in enumerate(sorted(shapes.glob("*/*.png"))[::6]):
        prepared = preprocess(decoding.read_image(path), classifier.contract)
        files.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(files[-1]), cv2.cvtColor(prepared, cv2.COLOR_RGB2BGR))
        ours.append(classifier.score(prepared))
    theirs = classify_with_mediapipe(python, head_model, files)
    for our, their in zip(ours, theirs, strict=True):
        assert our.best == their["all"][0][0]
        assert set(dict(their["all"])) <= {"bar", "disc", "square", "unknown"}
        assert our.score == pytest.approx(their["all"][0][1], abs=2 * STEP)


@pytest.mark.timeout(900)  # the environment is made once
def test_mediapipe_gives_the_labels_and_scores_of_the_edge(
    python: Path, model: Path, shapes: Path, tmp_path: Path
) -> None:
    classifier = Classifier(model)
    drawn = [decoding.read_image(file) for file in sorted(shapes.glob("*/*.png"))[::3]]
    mixed = [
        cv2.addWeighted(one, 0.5, drawn[place - 15], 0.5, 0) for place, one in enumerate(drawn)
    ]
    files: list[Path] = []
    ours: list[Classification] = []
    for picture_rgb in (*drawn, *mixed):
        prepared = preprocess(np.asarray(picture_rgb, np.uint8), classifier.contract)
        files.append(tmp_path / f"{len(files)}.png")
        cv2.imwrite(str(files[-1]), cv2.cvtColor(prepared, cv2.COLOR_RGB2BGR))
        ours.append(classifier.score(prepared))
    theirs = classify_with_mediapipe(python, model, files)
    assert len(theirs) == len(ours) == 80
    for our, their in zip(ours, theirs, strict=True):
        scores = dict(their["all"])
        assert our.score - our.scores[our.labels.index(their["all"][0][0])] <= STEP
        assert [scores.get(label, 0) for label in our.labels] == pytest.approx(our.scores, abs=STEP)
        assert their["sure"] == [one for one in their["all"] if one[1] >= THRESHOLD]
    assert {len(their["sure"]) for their in theirs} == {0, 1}
