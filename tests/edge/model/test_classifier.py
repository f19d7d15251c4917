"""The classifier: a picture in, a label out, on a real interpreter."""

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
    found = Classifier(model).classify(np.full((480, 640, 3), colour, np.uint8))
    assert found.label == label
    assert found.score == pytest.approx(found.scores.max())
    assert found.scores.sum() == pytest.approx(1, abs=0.02)
    assert 0.9 < found.score <= 1


def test_top_names_the_best_labels_in_order(model: Path) -> None:
    found = Classifier(model).classify(np.full((24, 32, 3), (200, 150, 10), np.uint8))
    assert [label for label, _ in found.top(3)] == ["red", "green", "blue"]
    assert found.top(1) == [(found.label, found.score)]
    assert len(found.top(99)) == 3


def test_the_input_takes_raw_bytes(model: Path) -> None:
    given = Classifier(model).network.input
    assert (given.dtype, given.scale, given.zero_point) == ("uint8", 1.0, 0)


def test_any_number_of_threads_gives_the_same_scores(model: Path) -> None:
    picture = np.full((100, 100, 3), (90, 110, 100), np.uint8)
    one, four = (Classifier(model, threads=threads).classify(picture) for threads in (1, 4))
    assert np.array_equal(one.scores, four.scores)


def test_a_grey_array_is_refused(model: Path) -> None:
    with pytest.raises(ImageError, match="expected uint8 of shape"):
        Classifier(model).classify(np.zeros((24, 32), np.uint8))


def test_without_an_interpreter_it_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "RUNTIMES", {"no_such_runtime": "no-such-runtime"})
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        Classifier(model)
