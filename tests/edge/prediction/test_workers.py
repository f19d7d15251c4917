"""Many pictures at once: the answers of one after the other, in their order."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.edge.prediction.conftest import DrawPictures

from vedette_edge import Classifier
from vedette_edge.host.memory import read_available_bytes
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.prediction import workers
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.workers import AHEAD, classify_files


@pytest.fixture
def files(draw_pictures: DrawPictures, tmp_path: Path) -> list[File]:
    draw_pictures(tmp_path, 60)
    return [(str(path), "") for path in sorted(tmp_path.iterdir())]


@pytest.mark.parametrize("count", [2, 5])
def test_workers_give_the_same_answers_in_the_same_order(
    model: Path, files: list[File], count: int
) -> None:
    with Classifier(model, threads=1) as classifier:
        alone = list(classify_files(classifier, files, 3, 1))
        assert list(classify_files(classifier, files, 3, count)) == alone
    assert [one.picture for one in alone] == [path for path, _ in files]
    assert sum(bool(one.error) for one in alone) == 9


def test_each_worker_has_an_interpreter_and_one_picture_needs_no_second(
    model: Path, files: list[File], monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, threads = list[Classifier](), set[int]()
    duplicate, classify = Classifier.duplicate, Classifier.classify

    def note_copy(self: Classifier) -> Classifier:
        copies.append(duplicate(self))
        return copies[-1]

    def note_thread(self: Classifier, image: Path) -> object:
        threads.add(threading.get_ident())
        return classify(self, image)

    monkeypatch.setattr(Classifier, "duplicate", note_copy)
    monkeypatch.setattr(Classifier, "classify", note_thread)
    with Classifier(model, threads=1) as classifier:
        list(classify_files(classifier, files[:1], 1, 4))
        assert not copies
        list(classify_files(classifier, files * 5, 1, 4))
    assert len(copies) <= 3
    assert 1 < len(threads) <= 5
    assert threading.get_ident() not in threads


def test_files_are_read_only_a_little_ahead(model: Path, files: list[File]) -> None:
    taken = list[File]()

    def take() -> Iterator[File]:
        for file in files:
            taken.append(file)
            yield file

    with Classifier(model, threads=1) as classifier:
        predictions = classify_files(classifier, take(), 1, 2)
        next(predictions)
        assert len(taken) == 2 * AHEAD + 1
        predictions.close()
    assert len(taken) == 2 * AHEAD + 1


def test_an_error_of_ours_ends_the_work(model: Path, files: list[File]) -> None:
    class BrokenClassifier(Classifier):
        def classify(self, image: object) -> Prediction:  # type: ignore[override]
            raise ZeroDivisionError

    with BrokenClassifier(model, threads=1) as classifier, pytest.raises(ZeroDivisionError):
        list(classify_files(classifier, files, 1, 2))


def test_a_duplicate_outlives_the_first_and_answers_the_same(model: Path) -> None:
    image_rgb = draw_test_pattern(3)
    with Classifier(model, threads=1) as classifier:
        answer, other = classifier.classify(image_rgb), classifier.duplicate()
    assert np.array_equal(other.classify(image_rgb).scores, answer.scores)
    assert other.network is not classifier.network


@pytest.mark.parametrize(("pictures", "expected"), [(0, 1), (1.5, 1), (3, 3), (1000, 8)])
def test_there_are_as_many_workers_as_processors_and_memory_allow(
    pictures: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = int(pictures * workers.PICTURE_BYTES)
    monkeypatch.setattr(workers, "read_available_bytes", lambda: available)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert workers.find_workers() == expected


def test_the_kernel_says_how_much_memory_there_is() -> None:
    assert 1 << 20 < read_available_bytes() < 1 << 44
