"""The gate: what is lost, what agrees, and from how many pictures on it is judged."""

from dataclasses import replace

import pytest

from vedette_convert.gate import Answer, judge, per_class

RIGHT = Answer("a.jpg", "hen", "hen", 0.9, "hen", 0.9)
LOST = replace(RIGHT, int8_label="fox")  # float was right, int8 is not
SWAPPED = replace(RIGHT, float_label="fox", float_score=0.3)  # float was wrong, int8 is right
UNSURE = replace(RIGHT, truth="fox", float_score=0.3, int8_label="cow")  # both wrong


def test_equal_answers_pass() -> None:
    verdict = judge([RIGHT] * 300)
    assert verdict.objections == ()
    assert verdict.float_accuracy == verdict.int8_accuracy == verdict.agreement == 1


@pytest.mark.parametrize(("lost", "objections"), [(10, 0), (11, 1)])
def test_more_than_one_point_of_accuracy_lost_is_refused(lost: int, objections: int) -> None:
    answers = [LOST] * lost + [RIGHT] * (1000 - lost)
    found = [one for one in judge(answers).objections if "points" in one]
    assert len(found) == objections


def test_accuracy_is_judged_on_few_pictures_as_well() -> None:
    assert "loses 10.0 points" in judge([LOST] + [RIGHT] * 9).objections[0]


def test_what_is_gained_is_no_objection() -> None:
    assert judge([SWAPPED] * 9 + [RIGHT] * 291).objections == ()


@pytest.mark.parametrize(("unsure", "objections"), [(15, 0), (16, 1)])
def test_less_than_95_percent_agreement_is_refused(unsure: int, objections: int) -> None:
    verdict = judge([UNSURE] * unsure + [RIGHT] * (300 - unsure))
    assert len([one for one in verdict.objections if "over all" in one]) == objections


@pytest.mark.parametrize(("lost", "objections"), [(2, 0), (3, 1)])
def test_less_than_99_percent_agreement_where_float_is_sure_is_refused(
    lost: int, objections: int
) -> None:
    gained = [SWAPPED] * lost  # so that accuracy is not what is refused
    verdict = judge([LOST] * lost + gained + [RIGHT] * (200 - lost))
    assert verdict.sure_pictures == 200
    assert len(verdict.objections) == objections


@pytest.mark.parametrize(("pictures", "objections"), [(199, 0), (200, 2)])
def test_agreement_is_judged_from_200_pictures_on(pictures: int, objections: int) -> None:
    half = [replace(RIGHT, truth="cow", int8_label="fox")] * (pictures // 2)
    verdict = judge(half + [RIGHT] * (pictures - len(half)))
    assert len(verdict.objections) == objections


def test_classes_are_judged_by_the_truth() -> None:
    classes = per_class([RIGHT, LOST, UNSURE], ("cow", "fox", "hen"))
    assert {label: one.pictures for label, one in classes.items()} == {"fox": 1, "hen": 2}
    assert classes["hen"].int8_accuracy == 0.5
    assert classes["fox"].agreement == 0
