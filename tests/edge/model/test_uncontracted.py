"""A .tflite of another tool runs if enough is known about it, and reports what is assumed."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from vedette_edge import Classifier, preprocess
from vedette_edge.__main__ import main
from vedette_edge.errors import ModelFileError
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image
from vedette_edge.model import model_file, uncontracted
from vedette_edge.model.activation import softmax
from vedette_edge.model.contract import Confidence
from vedette_edge.model.input_encoder import build_table, encode_normalised
from vedette_edge.model.interpreter import Tensor
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import Metadata
from vedette_edge.model.uncontracted import AssumedContract

LABELS = ("red", "green", "blue")
SHARED = Path(__file__).parents[4] / "shared" / "models"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the models lie in ../shared")
SURE = Confidence(temperature=1.0, unknown_below=0.0)


@pytest.fixture
def foreign(model: Path, tmp_path: Path) -> Callable[..., Path]:
    """The colours' graph as another tool would write it: its zip and Vedette's mark are gone."""

    def make(*, metadata: bool = True, **members: str) -> Path:
        original = model_file.read_model_file(model)
        data = original.data[: original.graph_bytes].replace(b"VEDETTE", b"NOBODYS")
        if not metadata:
            data = data.replace(b"TFLITE_METADATA", b"UNKNOWN_METADAT")
        file = io.BytesIO(data)
        with zipfile.ZipFile(file, "a") as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.txt", content)
        path = tmp_path / "foreign.tflite"
        path.write_bytes(file.getvalue())
        return path

    return make


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("0 red\n1 green\n2 blue\n", encoding="utf-8")
    return path


def vedette(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_its_metadata_name_its_labels_and_its_colours(foreign: Callable[..., Path]) -> None:
    classifier = Classifier(foreign(labels="red\ngreen\nblue\n"))
    assert isinstance(classifier.contract, AssumedContract)
    assert classifier.contract.labels == LABELS
    assert classifier.contract.colour == "rgb"
    assert not any("colour" in line for line in classifier.assumptions)


def test_without_its_contract_the_graph_gives_the_same_scores(
    model: Path, foreign: Callable[..., Path]
) -> None:
    path = foreign(metadata=False)
    own, others = Classifier(model), Classifier(path, overrides=ModelOverrides(labels=LABELS))
    for colour in ((200, 20, 20), (20, 60, 200)):
        picture = np.full((24, 32, 3), colour, np.uint8)
        assert np.array_equal(own.classify(picture).scores, others.classify(picture).scores)


def test_what_nobody_states_is_assumed_and_reported(
    foreign: Callable[..., Path], labels: Path, photos: Path
) -> None:
    path = foreign(metadata=False)
    result = vedette("predict", path, photos, "--labels", labels)
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == list(LABELS)
    for part in (
        "resize mode squash",
        "resize rule box-linear",
        "colour rgb",
        "pixels go into the uint8 input",
    ):
        assert result.stderr.count(f"assumed: {part}") == 1


def test_what_is_stated_is_not_assumed(
    foreign: Callable[..., Path], labels: Path, photos: Path
) -> None:
    flags = "--resize-mode crop --resize-rule linear-1 --colour bgr --mean 0 --std 1".split()
    result = vedette(
        "predict", foreign(), photos, "--labels", labels, "--no-self-test", "--json", *flags
    )
    answers = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert answers == ["blue", "green", "red"]  # the graph takes R, G, B
    assert "assumed" not in result.stderr


def test_run_and_inspect_report_what_is_assumed(
    foreign: Callable[..., Path], labels: Path, photos: Path
) -> None:
    path = foreign()
    watched = vedette("run", path, "--camera", photos, "--labels", labels, "--json")
    assert json.loads(watched.stdout.splitlines()[-1])["label"] == "blue"
    assert "assumed: resize mode squash" in watched.stderr
    assert "resize mode squash" in vedette("inspect", path, "--labels", labels).stdout
    description = json.loads(vedette("inspect", path, "--labels", labels, "--json").stdout)
    assert description["contract"] is None
    assert description["assumed"]["labels"] == list(LABELS)
    assert any("box-linear-exact-1" in line for line in description["assumed"]["assumptions"])


def test_a_calibration_in_the_metadata_is_reported_as_not_applied(
    foreign: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = foreign(labels="red\ngreen\nblue\n")
    assert not any("calibrat" in line for line in Classifier(path).assumptions)
    metadata = Metadata(labels_text="red\ngreen\nblue\n", calibrated=True)
    monkeypatch.setattr(uncontracted, "read_metadata", lambda *_: metadata)
    line = "scores are not calibrated, although the metadata contain a calibration"
    assert line in Classifier(path).assumptions


def test_missing_labels_are_asked_for(foreign: Callable[..., Path], photos: Path) -> None:
    result = vedette("predict", foreign(metadata=False), photos)
    assert result.exit_code == 1
    assert "--labels FILE with 3 lines" in result.stderr


def test_a_wrong_number_of_labels_is_an_error_with_both(
    foreign: Callable[..., Path],
) -> None:
    with pytest.raises(ModelFileError, match="2 labels for 3 outputs"):
        Classifier(foreign(), overrides=ModelOverrides(labels=("red", "green")))
    with pytest.raises(ModelFileError, match="4 labels for 3 outputs"):
        Classifier(foreign(labels="a\nb\nc\nd"))


def test_its_own_labels_may_be_bad_when_others_are_stated(foreign: Callable[..., Path]) -> None:
    path = foreign(labels="red\nred\nblue\n")
    with pytest.raises(ModelFileError, match="--labels"):
        Classifier(path)
    assert Classifier(path, overrides=ModelOverrides(labels=LABELS)).contract.labels == LABELS


@pytest.mark.parametrize("command", [("predict", "{photos}"), ("inspect",)])
def test_flags_are_refused_where_there_is_a_contract(
    model: Path, photos: Path, command: tuple[str, ...]
) -> None:
    name, *rest = (one.format(photos=photos) for one in command)
    result = vedette(name, model, *rest, "--resize-mode", "crop", "--mean", "0")
    assert result.exit_code == 1
    assert "--resize-mode, --mean" in result.stderr


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--labels", "gone.txt"), "gone.txt"),
        (("--mean", "half"), "'half'"),
        (("--labels", "{labels}", "--mean", "1"), "--mean also needs --std"),
        (("--labels", "{labels}", "--mean", "1,2", "--std", "1"), "2 numbers, expected 1 or 3"),
        (("--labels", "{labels}", "--mean", "1", "--std", "0"), "expected numbers above 0"),
        (("--labels", "{labels}", "--mean", "nan", "--std", "1"), "expected numbers"),
        (("--labels", "{labels}", "--colour", "grey"), "--colour rgb or bgr"),
    ],
)
def test_a_flag_that_cannot_be_is_no_traceback(
    foreign: Callable[..., Path], labels: Path, flags: tuple[str, ...], named: str
) -> None:
    result = vedette("inspect", foreign(), *(one.format(labels=labels) for one in flags))
    assert result.exit_code in (1, 2)
    assert named in result.stderr


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", [0, 1, 255]), ("int8", [-128, -127, 127])]
)
def test_a_quantized_input_takes_pixels(dtype: str, expected: list[int]) -> None:
    table = build_table(Tensor("x", (1, 2, 2, 3), dtype, 1 / 64, 7), (), ())
    assert table.dtype == dtype
    assert table[[0, 1, 255], 2].tolist() == expected


def test_mean_and_std_are_put_into_a_quantized_inputs_own_steps() -> None:
    tensor = Tensor("x", (1, 2, 2, 3), "int8", 2 / 255, 0)
    table = build_table(tensor, (127.5,), (127.5,))
    assert table[[0, 127, 128, 255], 0].tolist() == [-128, 0, 0, 127]


def test_a_float_input_gets_each_channels_numbers_in_the_models_order() -> None:
    tensor = Tensor("x", (1, 1, 2, 3), "float32", 0, 0)
    picture_rgb = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    content = encode_normalised(tensor, "bgr", (1, 2, 3), (1, 2, 4))(picture_rgb)
    assert content.dtype == np.float32
    assert content.tolist() == [[[[29, 9, 1.75], [59, 24, 9.25]]]]


def test_a_grey_input_gets_luma() -> None:
    tensor = Tensor("x", (1, 1, 3, 1), "uint8", 1, 0)
    picture_rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert encode_normalised(tensor, "grey", (), ())(picture_rgb).ravel().tolist() == [76, 150, 29]


def test_softmax_overflows_on_no_logits() -> None:
    scores = softmax(np.array([1000, 1000, -1000], np.float32))
    assert scores.tolist() == [0.5, 0.5, 0]


def test_plain_bilinear_is_opencvs(drawn: Callable[[int, int], Image]) -> None:
    picture = drawn(90, 70)
    framing = AssumedContract(LABELS, 32, 24, "rgb", "squash", "linear-1", (), (), False, SURE, ())
    assert np.array_equal(preprocess(picture, framing), cv2.resize(picture, (24, 32)))


def test_a_model_that_gives_no_numbers_for_a_black_picture_is_an_error(
    shares: Path, tmp_path: Path
) -> None:
    original, path = model_file.read_model_file(shares), tmp_path / "foreign.tflite"
    path.write_bytes(original.data[: original.graph_bytes].replace(b"VEDETTE", b"NOBODYS"))
    with pytest.raises(ModelFileError, match="outputs for a black picture are not finite numbers"):
        Classifier(path, overrides=ModelOverrides(labels=LABELS, mean=(0.0,), std=(1.0,)))


def test_the_flags_of_a_float_input_are_asked_for_by_the_tools_that_people_come_from(
    shares: Path, tmp_path: Path
) -> None:
    original, path = model_file.read_model_file(shares), tmp_path / "foreign.tflite"
    graph = original.data[: original.graph_bytes].replace(b"VEDETTE", b"NOBODYS")
    path.write_bytes(graph.replace(b"TFLITE_METADATA", b"UNKNOWN_METADAT"))
    result = vedette("inspect", path)
    assert result.exit_code == 1
    first, *lines = result.stderr.splitlines()
    assert "--labels FILE with 3 lines" in first
    assert first.endswith("a pixel: add the flags of the tool that made it")
    assert {line[:22] for line in lines} >= {"  --mean 127.5 --std 1", "  --mean 0 --std 255  "}
    for flags, tool in (
        ("127.5 --std 127.5", "Teachable Machine"),
        ("0 --std 255", "Edge Impulse"),
    ):
        assert any(f"--mean {flags} " in line and tool in line for line in lines)
    assert max(map(len, lines)) <= 80
    checked = vedette("check", path).stdout.splitlines()
    assert checked[1 : len(lines) + 1] == [f"{'':20}{line}" for line in lines]


@needs_shared
def test_mobilenet_sees_the_cat_with_labels_from_its_own_metadata() -> None:
    classifier = Classifier(SHARED / "mobilenet_v1_0.25_128_quant.tflite")
    result = classifier.classify(decoding.read_image(SHARED / "cat.bmp"))
    assert len(result.labels) == 1001
    assert result.labels[283] == "tiger cat"
    assert "tiger cat" in dict(result.top(3))
    assert result.scores[283] >= 0.25


@needs_shared
def test_visual_wake_words_sees_the_person() -> None:
    """Its authors antialiased; plain bilinear gives 0.25, since the portrait shrinks six times."""
    overrides = ModelOverrides(labels=("non_person", "person"))
    classifier = Classifier(SHARED / "vww_96_int8.tflite", overrides=overrides)
    person, cat = (
        classifier.classify(decoding.read_image(SHARED / name)).scores[1]
        for name in ("person.bmp", "cat.bmp")
    )
    assert person >= 0.7
    assert cat <= 0.2


@needs_shared
def test_a_model_that_no_runtime_accepts_is_refused_in_the_runtimes_words() -> None:
    with pytest.raises(ModelFileError, match=r"person_detect\.tflite") as raised:
        Classifier(SHARED / "person_detect.tflite")
    assert "Was 3. Copy the file again" in str(raised.value)
    assert len(str(raised.value)) < 300


def test_check_says_that_there_is_nothing_to_replay(foreign: Callable[..., Path]) -> None:
    result = vedette("check", foreign(labels="red\ngreen\nblue\n"))
    assert result.exit_code == 0
    assert "samples" in result.stdout


def test_a_normalisation_in_the_metadata_counts_for_float_inputs_only() -> None:
    metadata = Metadata(mean=(127.5,), std=(127.5,))
    for dtype, expected in (("float32", ((127.5,), (127.5,))), ("uint8", ((), ()))):
        tensor = Tensor("image", (1, 8, 8, 3), dtype, 0.0, 0)
        resolved = uncontracted._resolve_normalisation(tensor, ModelOverrides(), metadata)
        assert resolved == expected
