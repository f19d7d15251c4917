"""Predictions as JSON and CSV, and back."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.prediction.formats import Csv, Format, JsonLines
from vedette_edge.prediction.prediction import Prediction

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
SCORES = st.integers(0, 10_000).map(lambda count: count / 10_000)
TOPS = st.lists(st.tuples(NAMES, SCORES), min_size=1, max_size=3).map(tuple)
ANSWERS = st.builds(Prediction, NAMES, NAMES | st.just(""), NAMES, TOPS)
ERRORS = st.builds(Prediction, NAMES, NAMES | st.just(""), error=NAMES)
FORMATS = pytest.mark.parametrize("form", [JsonLines(), Csv(3)], ids=["json", "csv"])


@FORMATS
@given(predictions=st.lists(ANSWERS | ERRORS))
def test_predictions_come_back_as_they_were(form: Format, predictions: list[Prediction]) -> None:
    text = "".join(form.encode(one) for one in predictions).encode()
    entries = list(form.split(iter(io.BytesIO(text))))
    assert b"".join(entries) == text
    assert [form.decode(entry.decode()) for entry in entries] == predictions


@FORMATS
@given(prediction=ANSWERS | ERRORS, data=st.data())
def test_a_torn_end_is_left_out(form: Format, prediction: Prediction, data: st.DataObject) -> None:
    text = form.encode(prediction).encode()
    torn = text[: data.draw(st.integers(0, len(text) - 1))]
    assert list(form.split(iter(io.BytesIO(text + torn)))) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "3",
        "x",
        "[" * 9000,
        '{"picture":"a"}',
        '{"picture":1,"error":"x"}',
        '{"picture":"a","top":[{"label":"b"}]}',
        '{"picture":"a","error":"x","top":3}',
    ],
)
def test_json_of_something_else_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        JsonLines().decode(text)


@pytest.mark.parametrize("text", ["a\n", "a,b,c,d,e\n", "a,b,c,x,,\n", "a,b,,,,\n"])
def test_csv_of_something_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no answer|could not convert"):
        Csv(1).decode(text)


def test_programs_read_both() -> None:
    prediction = Prediction("a, b.jpg", "", "unknown", (("fox", 0.5), ("hen", 0.25)))
    row = json.loads(JsonLines().encode(prediction))
    assert (row["label"], row["best"], row["score"]) == ("unknown", "fox", 0.5)
    form = Csv(2)
    (cells,) = csv.DictReader([form.header, form.encode(prediction)])
    assert cells["picture"] == "a, b.jpg"
    assert (cells["best"], cells["label_2"], cells["score_2"]) == ("fox", "hen", "0.2500")
