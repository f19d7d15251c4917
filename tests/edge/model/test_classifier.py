"""The classifier: a picture in, a label out, on a real interpreter."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vedette_edge import Classifier
from vedette_edge.errors import ImageError, RuntimeMissingError
from vedette_edge.model import interpreter


@pytest.mark.parametrize(
    ("colour", "label"), [((200, 20, 20), "red"), ((20, 200, 20), "green"), ((0, 0, 255), "blue")]
)
def test_a_picture_gets_the_label_of_its_colour(
    model: Path, colour: tuple[int, int, int], label: str
) -> None:
    result = Classifier(model).classify(np.full((480, 640, 3), colour, np.uint8))
    assert result.label == label
    assert result.score == pytest.approx(result.scores.max())
    assert result.scores.sum() == pytest.approx(1, abs=0.02)
    assert 0.9 < result.score <= 1


def test_top_names_the_best_labels_in_order(model: Path) -> None:
    result = Classifier(model).classify(np.full((24, 32, 3), (200, 150, 10), np.uint8))
    assert [label for label, _ in result.top(3)] == ["red", "green", "blue"]
    assert result.top(1) == [(result.label, result.score)]
    assert len(result.top(99)) == 3


def test_the_input_takes_raw_bytes(model: Path) -> None:
    tensor = Classifier(model).network.input
    assert (tensor.dtype, tensor.scale, tensor.zero_point) == ("uint8", 1.0, 0)


def test_any_number_of_threads_gives_the_same_scores(model: Path) -> None:
    picture = np.full((100, 100, 3), (90, 110, 100), np.uint8)
    one, four = (Classifier(model, threads=threads).classify(picture) for threads in (1, 4))
    assert np.array_equal(one.scores, four.scores)


def test_a_grey_array_is_refused(model: Path) -> None:
    with pytest.raises(ImageError):
        Classifier(model).classify(np.zeros((24, 32), np.uint8))


def test_without_an_interpreter_it_says_what_to_install() -> None:
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        interpreter.find_runtime({"no_such_runtime": "no-such-runtime"})


def test_the_classifier_loads_no_camera_and_no_command_line() -> None:
    script = "import sys; from vedette_edge import Classifier; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "vedette_edge.model.classifier" in loaded
    assert not loaded & {"vedette_edge.cameras", "vedette_edge.console", "click", "rich"}
