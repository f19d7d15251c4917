"""The classifier: a picture in, a label out, on a real interpreter."""

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.edge.model.packing import pack, unpack

from vedette_edge import Classifier, Contract
from vedette_edge.errors import (
    ClosedError,
    ImageError,
    ModelFileError,
    RuntimeMissingError,
    ScoresError,
    SettingError,
)
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image
from vedette_edge.model import compatibility, interpreter
from vedette_edge.model.classifier import describe_model, find_threads
from vedette_edge.model.contract import UNKNOWN, Confidence, serialize_contract

Repacked = Callable[..., Path]
BLUE = np.full((24, 32, 3), (20, 20, 200), np.uint8)


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
    assert result.top(0) == result.top(-1) == []


def repack_with(
    confidence: Confidence, repacked: Repacked, contract: Contract, third: str = "blue"
) -> Classifier:
    """Make a classifier with other thresholds, whose third label may have another name."""
    labels = (*contract.labels[:2], third)
    changed = replace(contract, labels=labels, confidence=confidence)
    return Classifier(repacked(serialize_contract(changed), "\n".join(labels)))


def test_a_description_has_the_sizes_and_what_an_old_runtime_refuses(model: Path) -> None:
    with Classifier(model) as classifier:
        description = describe_model(classifier)
        file = classifier.model
    assert description["bytes"] == {
        "file": model.stat().st_size,
        "graph": file.graph_bytes,
        "packed": model.stat().st_size - file.graph_bytes,
    }
    assert description["old_runtime"] == {"name": compatibility.OLD, "objections": []}
    assert description["delegate_partitions"] > 0
    assert description["samples"] == len(file.samples) > 0
    assert description["contract"]["labels"] == ("red", "green", "blue")
    assert description["assumed"] is None


def test_below_its_threshold_a_label_is_unknown_and_the_best_stays(
    repacked: Repacked, contract: Contract, model: Path
) -> None:
    raw = Classifier(model).classify(BLUE)
    for threshold, label in ((raw.score, "blue"), (raw.score + 0.001, UNKNOWN)):
        classifier = repack_with(Confidence(1.0, 0.0, {"blue": threshold}), repacked, contract)
        result = classifier.classify(BLUE)
        assert (result.label, result.best, result.score) == (label, "blue", raw.score)
        assert result.top(3) == raw.top(3)


def test_an_output_called_unknown_has_no_threshold(repacked: Repacked, contract: Contract) -> None:
    result = repack_with(Confidence(1.0, 1.0), repacked, contract, UNKNOWN).classify(BLUE)
    assert (result.label, result.best) == (UNKNOWN, UNKNOWN)


def test_scores_that_are_no_numbers_are_an_error(shares: Path) -> None:
    classifier = Classifier(shares)
    with pytest.raises(ScoresError, match=r"3 of 3 scores are not finite numbers.*nan"):
        classifier.classify(np.zeros((24, 32, 3), np.uint8))
    assert classifier.classify(BLUE).label == "blue"


def test_threads_share_a_classifier(model: Path, drawn: Callable[[int, int], Image]) -> None:
    classifier = Classifier(model, threads=1)
    pictures = [np.roll(drawn(24, 32) // (1 + number), number, axis=2) for number in range(8)]
    alone = [classifier.score(picture).scores for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(classifier.score, 1_250 * pictures, chunksize=50))
    assert len({scores.tobytes() for scores in alone}) > 4
    assert np.array_equal([one.scores for one in together], 1_250 * alone)


def test_a_closed_classifier_says_so(model: Path) -> None:
    with Classifier(model) as classifier:
        assert classifier.classify(BLUE).label == "blue"
    with pytest.raises(ClosedError, match="the classifier is closed"):
        classifier.classify(BLUE)
    with pytest.raises(ClosedError, match="the classifier is closed"):
        classifier.network.count_partitions()
    classifier.close()


def test_a_process_that_is_forked_while_a_thread_classifies_can_classify(model: Path) -> None:
    classifier = Classifier(model, threads=1)
    with classifier.network._lock:  # as another thread would hold it
        if not (child := os.fork()):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not that of pytest-timeout
            signal.alarm(30)
            os._exit(7 if classifier.classify(BLUE).label == "blue" else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_results_are_compared_as_themselves(model: Path) -> None:
    classifier = Classifier(model)
    first, second = classifier.classify(BLUE), classifier.classify(BLUE)
    assert len({first, second, first}) == 2


def test_a_number_of_threads_that_is_none_is_an_error(model: Path) -> None:
    for threads in (-1, 0, 1.5, "2"):
        with pytest.raises(SettingError, match=f"threads is {threads!r}, expected"):
            Classifier(model, threads=cast(int, threads))


def test_a_path_is_classified_like_its_pixels(model: Path, photos: Path, tmp_path: Path) -> None:
    classifier, path = Classifier(model), photos / "a-red.jpg"
    expected = classifier.classify(decoding.read_image(path)).scores
    for one in (path, str(path)):
        assert np.array_equal(classifier.classify(one).scores, expected)
    with pytest.raises(ImageError, match=r"gone\.jpg: No such file"):
        classifier.classify(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="null character"):
        classifier.classify("a\0b")


@pytest.mark.parametrize(
    ("image", "message"),
    [(None, "picture is None.*cv2.imread"), ([[[1, 2, 3]]], "of type list"), (b"x", "type bytes")],
)
def test_whatever_is_no_picture_is_an_error_in_words(model: Path, image: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Classifier(model).classify(image)


def test_the_input_takes_raw_bytes(model: Path) -> None:
    tensor = Classifier(model).network.input
    assert (tensor.dtype, tensor.scale, tensor.zero_point) == ("uint8", 1.0, 0)


def test_a_graph_that_does_not_take_raw_bytes_is_refused(model: Path, tmp_path: Path) -> None:
    graph, members = unpack(model)
    scale, other = (struct.pack("<If", 1, number) for number in (1.0, 0.5))
    assert scale in graph
    path = tmp_path / "scaled.tflite"
    path.write_bytes(pack(graph.replace(scale, other), members))
    with pytest.raises(ModelFileError, match=r"scale 0.5 and zero point 0, expected 1 and 0: raw"):
        Classifier(path)


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (3, 3), (4, 4), (64, 4)])
def test_by_default_there_is_a_thread_per_core_and_at_most_four(
    cores: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert find_threads() == threads


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
