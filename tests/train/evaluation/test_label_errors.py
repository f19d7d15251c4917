"""Likely label errors, and their order."""

import numpy as np

from vedette_edge.model.contract import UNKNOWN
from vedette_train.evaluation.label_errors import MOST_LIKELY, LabelError, find_label_errors
from vedette_train.evaluation.predictions import Evaluation


def evaluate(rows: list[list[float]], truth: list[int], labels: tuple[str, ...]) -> Evaluation:
    return Evaluation(np.array(truth), np.array(rows, np.float32), labels)


def test_pictures_whose_label_is_unlikely_are_listed_the_unlikeliest_first() -> None:
    errors = find_label_errors(
        evaluate(
            [[0.95, 0.05], [0.94, 0.06], [0.02, 0.98], [0.99, 0.01], [0.09, 0.91]],
            [0, 1, 1, 1, 0],
            ("fox", "hen"),
        ),
        ["a", "b", "c", "d", "e"],
    )
    assert [one.file for one in errors] == ["d", "b", "e"]
    assert (errors[0].label, errors[0].answer) == ("hen", "fox")
    assert (round(errors[0].label_score, 3), round(errors[0].score, 3)) == (0.01, 0.99)


def test_a_label_that_may_be_right_is_not_in_doubt() -> None:
    own = MOST_LIKELY + 0.01
    assert not find_label_errors(evaluate([[1 - own, own]], [1], ("fox", "hen")), ["a"])


def test_what_is_unlike_all_classes_is_listed_with_the_likeliest_of_them() -> None:
    labels = ("fox", "hen", UNKNOWN)
    rows = [[0.05, 0.01, 0.94], [0.01, 0.05, 0.94]]
    (only,) = find_label_errors(evaluate(rows, [1, 1], labels), ["a", "b"])
    assert (only.file, only.answer, round(only.unknown, 2)) == ("a", "fox", 0.94)
    assert "94.0%" in only.finding().detail


def test_the_line_of_the_audit_names_file_and_both_labels() -> None:
    finding = LabelError("hen/a.jpg", "hen", 0.01, "fox", 0.93).finding()
    assert (finding.kind, finding.files) == ("label", ("hen/a.jpg",))
    assert "hen" in finding.detail
    assert "fox" in finding.detail
