"""What conversion packs for the self-test."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from tests import heif_files

from vedette_convert.packaging.bundle import pack_model
from vedette_convert.packaging.golden_selection import (
    LARGEST_BYTES,
    LEAST_LEAD,
    select_golden_samples,
)
from vedette_convert.run import Photograph
from vedette_convert.sources.run_folder import load_run
from vedette_edge import Classifier
from vedette_edge.images import decoding, image_header
from vedette_edge.images.preprocessing import Image
from vedette_edge.model import golden_samples
from vedette_edge.model.self_test import STEP


@pytest.fixture(scope="module")
def classifier(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """The run on the shapes as a float model, without samples."""
    import tensorflow as tf

    run = load_run(run_folder)
    network = keras.models.load_model(run.weights, compile=False)
    picture = keras.Input(batch_shape=(1, 48, 48, 3))
    single = keras.Model(picture, network(picture))
    path = tmp_path_factory.mktemp("bare") / "bare.tflite"
    path.write_bytes(
        pack_model(tf.lite.TFLiteConverter.from_keras_model(single).convert(), run.contract)
    )
    return Classifier(path)


def compute_best_scores(photographs: list[Photograph], classifier: Classifier) -> list[float]:
    return [classifier.classify(one.read()).score for one in photographs]


@pytest.fixture
def photographs(run_folder: Path) -> list[Photograph]:
    return load_run(run_folder).select_part("test")


def test_a_dozen_pictures_and_a_frame_are_chosen_the_same_each_time(
    photographs: list[Photograph], classifier: Classifier
) -> None:
    scores = compute_best_scores(photographs, classifier)
    files, samples = select_golden_samples(photographs, scores, classifier)
    assert len(files) == 12
    assert [one.name for one in samples[:-1]] == list(files)
    assert samples[-1].name.startswith("frame-")
    assert {one.label for one in samples} == {"bar", "disc", "square"}
    assert select_golden_samples(photographs, scores, classifier) == (files, samples)


def test_hard_ones_are_among_them_but_none_that_rounding_could_turn(
    photographs: list[Photograph], classifier: Classifier
) -> None:
    files, samples = select_golden_samples(
        photographs, compute_best_scores(photographs, classifier), classifier
    )
    leads = [
        (measure_lead(classifier.classify(one.read()).scores), one.file) for one in photographs
    ]
    decided = sorted(one for one in leads if one[0] >= LEAST_LEAD * STEP)
    stored = set(files.values())
    hardest = [Path(file).read_bytes() for _, file in decided[:3]]
    assert sum(one in stored for one in hardest) >= 2  # one may be the one that is stored turned
    assert all(measure_lead(one.scores) >= LEAST_LEAD for one in samples)


def measure_lead(scores: Iterable[float]) -> float:
    """By how much the best score leads."""
    *_, second, first = sorted(map(float, scores))
    return first - second


def test_the_first_is_stored_turned(photographs: list[Photograph], classifier: Classifier) -> None:
    files, samples = select_golden_samples(
        photographs, compute_best_scores(photographs, classifier), classifier
    )
    data = files["00.jpeg"]
    unturned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_IGNORE_ORIENTATION)
    assert unturned is not None
    assert unturned.shape[:2] == (80, 60)
    upright = decoding.decode_image(data)
    assert upright.shape[:2] == (60, 80)
    assert golden_samples.hash_image(upright) == samples[0].picture_sha256
    assert not any(b"Exif" in other[:64] for name, other in files.items() if name != "00.jpeg")


def write_large_photographs(folder: Path, noise: Image) -> list[Photograph]:
    """Shapes on ground that no JPEG makes small."""
    photographs = []
    for number in range(8):
        picture_bgr = np.roll(noise, 30 * number, axis=1).copy()
        cv2.rectangle(picture_bgr, (150, 150), (450, 450), (40, 230, 40), -1)
        file = folder / f"{number}.png"
        cv2.imwrite(str(file), picture_bgr)
        photographs.append(Photograph("test", "square", str(file), ""))
    return photographs


def test_large_photographs_are_made_smaller(
    tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 90, (600, 900, 3), np.uint8)
    monkeypatch.setattr(Photograph, "read", lambda self: decoding.read_image(Path(self.file)))
    photographs = write_large_photographs(tmp_path, noise)
    files, samples = select_golden_samples(
        photographs, compute_best_scores(photographs, classifier), classifier
    )
    assert files
    assert all(len(data) <= LARGEST_BYTES for data in files.values())
    sizes = [decoding.decode_image(data).shape[:2] for data in files.values()]
    assert sizes == [(96, 144)] * len(files)
    assert len(samples) == len(files) + 1


@pytest.mark.parametrize("encode", [heif_files.heic, heif_files.avif])
def test_a_heic_or_avif_is_stored_as_a_jpeg(
    photographs: list[Photograph],
    classifier: Classifier,
    tmp_path: Path,
    encode: Callable[[Image], bytes],
) -> None:
    rewritten = []
    for number, one in enumerate(photographs):
        file = tmp_path / str(number)
        file.write_bytes(encode(one.read()))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        rewritten.append(Photograph(one.part, one.label, str(file), sha256))
    files, samples = select_golden_samples(
        rewritten, compute_best_scores(rewritten, classifier), classifier
    )
    assert len(files) == 12
    assert {image_header.detect_format(data) for data in files.values()} == {"JPEG"}
    assert {Path(name).suffix for name in files} == {".jpeg"}
    assert [one.name for one in samples[:-1]] == list(files)
