"""A file of answers: an interrupted run goes on with it, and no other file is written to."""

import json
import os
from pathlib import Path

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.prediction.formats import Csv, Format, JsonLines
from vedette_edge.prediction.prediction import Prediction
from vedette_edge.prediction.results_file import ResultsFile

ORIGIN = {"model": "m.tflite", "top_k": 1, "overrides": {"labels": ("fox", "hen")}}
NAMES = ["a.jpg", "b, c.jpg", "two\nlines.jpg", 'quote".jpg', "\udcff.jpg"]
PREDICTIONS = [Prediction(name, label="fox", top=(("fox", 0.5),)) for name in NAMES]
FORMATS = pytest.mark.parametrize("form", [JsonLines(), Csv(1)], ids=["json", "csv"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.txt"


def write(path: Path, form: Format, predictions: list[Prediction]) -> None:
    with ResultsFile(path, form, ORIGIN) as results:
        for prediction in predictions:
            results.write(prediction)


@FORMATS
def test_answers_are_known_in_the_next_run(path: Path, form: Format) -> None:
    write(path, form, PREDICTIONS[:3])
    with ResultsFile(path, form, ORIGIN) as results:
        assert [results.has(one.picture) for one in PREDICTIONS] == [True] * 3 + [False] * 2
        assert (results.tally.total, results.tally.labels["fox"]) == (3, 3)
        for prediction in PREDICTIONS[3:]:
            results.write(prediction)
        assert results.tally.total == 5
    whole = path.with_name("whole.txt")
    write(whole, form, PREDICTIONS)
    assert path.read_bytes() == whole.read_bytes()
    with ResultsFile(path, form, ORIGIN) as results:
        assert all(results.has(one.picture) for one in PREDICTIONS)


@FORMATS
def test_a_file_that_is_torn_anywhere_loses_its_last_answer_alone(path: Path, form: Format) -> None:
    write(path, form, PREDICTIONS)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with ResultsFile(path, form, ORIGIN) as results:
            known = [results.has(one.picture) for one in PREDICTIONS]
            assert known == sorted(known, reverse=True)  # the first ones
            for prediction in PREDICTIONS[known.count(True) :]:
                results.write(prediction)
        assert path.read_bytes() == whole


def test_answers_of_another_origin_are_left_alone(path: Path) -> None:
    write(path, JsonLines(), PREDICTIONS[:1])
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"of other settings \(top_k\), see results"):
        ResultsFile(path, JsonLines(), ORIGIN | {"top_k": 2})
    for text in ("{", "3", "[]", "[[1, 2]]"):
        path.with_name("results.txt.origin.json").write_text(text)
        with pytest.raises(SettingError, match="choose another name, or remove it"):
            ResultsFile(path, JsonLines(), ORIGIN)
    path.with_name("results.txt.origin.json").unlink()
    with pytest.raises(SettingError, match="does not say of which model"):
        ResultsFile(path, JsonLines(), ORIGIN)
    assert path.read_bytes() == before


def test_a_copy_of_the_model_may_have_another_name(path: Path) -> None:
    write(path, JsonLines(), PREDICTIONS[:1])
    with ResultsFile(path, JsonLines(), ORIGIN | {"model": "copy.tflite"}) as results:
        assert results.tally.describe() == "1 answer"


def test_each_of_many_answers_is_known(path: Path) -> None:
    many = [Prediction(f"{number}.jpg", error="x") for number in range(5000)]
    write(path, JsonLines(), many)
    with ResultsFile(path, JsonLines(), ORIGIN) as results:
        assert all(results.has(one.picture) for one in many)
        assert not any(results.has(f"{number}.png") for number in range(5000))
        assert results.tally.describe() == "0 answers and 5,000 errors"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(SettingError, match="choose the name of a file"):
            ResultsFile(path, JsonLines(), ORIGIN)


@pytest.mark.parametrize("text", ["{}\n", "nonsense\n", "[" * 9000 + "\n", "\n"])
def test_an_entry_that_is_no_answer_is_named(path: Path, text: str) -> None:
    write(path, JsonLines(), PREDICTIONS[:1])
    with path.open("a") as file:
        file.write(text)
    before = path.read_bytes()
    with pytest.raises(SettingError, match="entry 2: no answer for a picture"):
        ResultsFile(path, JsonLines(), ORIGIN)
    assert path.read_bytes() == before


def test_two_runs_do_not_write_to_one_file(path: Path) -> None:
    with (
        ResultsFile(path, JsonLines(), ORIGIN),
        pytest.raises(SettingError, match="another run writes it"),
    ):
        ResultsFile(path, JsonLines(), ORIGIN)


def test_a_full_disk_is_an_error_and_the_next_run_goes_on(small_disk: Path) -> None:
    path = small_disk / "results.jsonl"
    many = [Prediction(f"{number:06}.jpg", error="x" * 200) for number in range(20_000)]
    with pytest.raises(OSError, match=r"No space left.*results\.jsonl"):
        write(path, JsonLines(), many)
    kept = path.read_bytes().count(b"\n")
    assert kept > 1000
    with ResultsFile(path, JsonLines(), ORIGIN) as results:
        assert results.tally.total == kept
        assert results.has(many[kept - 1].picture)
        assert not results.has(many[kept].picture)


def test_a_run_that_fails_before_its_first_answer_leaves_nothing(path: Path) -> None:
    with ResultsFile(path, Csv(1), ORIGIN):
        pass
    assert os.listdir(path.parent) == []  # noqa: PTH208
    write(path, Csv(1), PREDICTIONS[:1])
    path.write_bytes(b"")
    with ResultsFile(path, Csv(1), ORIGIN | {"top_k": 2}) as results:
        results.write(PREDICTIONS[0])
    assert json.loads(path.with_name("results.txt.origin.json").read_text())["top_k"] == 2


def test_the_origin_is_for_people_too(path: Path) -> None:
    write(path, JsonLines(), PREDICTIONS[:1])
    origin = json.loads(path.with_name("results.txt.origin.json").read_text())
    assert origin["overrides"] == {"labels": ["fox", "hen"]}
