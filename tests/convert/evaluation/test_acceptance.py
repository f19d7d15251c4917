"""The gate: what is lost, what agrees, and how many pictures it takes to tell."""

from dataclasses import replace

import pytest

from vedette_convert.evaluation.acceptance import (
    Answer,
    by_chance,
    change_interval,
    interval,
    judge,
    per_class,
)

RIGHT = Answer("a.jpg", "hen", "hen", 0.9, "hen", 0.9)
LOST = replace(RIGHT, tflite_label="fox")  # float was right, int8 is not
SWAPPED = replace(RIGHT, float_label="fox", float_score=0.3)  # float was wrong, int8 is right
UNKNOWN = replace(RIGHT, truth="", float_score=0.4)
UNSURE = replace(RIGHT, truth="fox", float_score=0.3, tflite_label="cow")  # both wrong


def test_equal_answers_pass() -> None:
    verdict = judge([RIGHT] * 300)
    assert verdict.objections == ()
    assert verdict.float_accuracy == verdict.tflite_accuracy == verdict.agreement == 1


@pytest.mark.parametrize(("lost", "objections"), [(10, 0), (11, 1)])
def test_more_than_one_point_of_accuracy_lost_is_refused(lost: int, objections: int) -> None:
    answers = [LOST] * lost + [RIGHT] * (1000 - lost)
    found = [one for one in judge(answers).objections if "points" in one]
    assert len(found) == objections


@pytest.mark.parametrize(("lost", "gained", "objections"), [(4, 0, 0), (5, 0, 1), (7, 1, 1)])
def test_of_fewer_than_100_pictures_only_a_loss_beyond_chance_is_refused(
    lost: int, gained: int, objections: int
) -> None:
    answers = [replace(LOST, float_score=0.4)] * lost + [SWAPPED] * gained
    verdict = judge(answers + [RIGHT] * (99 - len(answers)))
    assert len(verdict.objections) == objections
    assert all("beyond chance" in one for one in verdict.objections)


def test_few_pictures_whose_truth_is_known_are_judged_by_agreement_as_others_are() -> None:
    """A float model that is right by chance alone has nothing to lose."""
    unlike = replace(UNSURE, float_score=0.9)
    truthless = [replace(one, truth="") for one in [unlike] * 4 + [RIGHT] * 86]
    assert judge([unlike] * 4 + [RIGHT] * 86).objections == judge(truthless).objections != ()
    assert judge([unlike] * 3 + [RIGHT] * 87).objections == ()
    (over_all,) = judge([UNSURE] * 10 + [RIGHT] * 80).objections
    assert over_all == "88.9% agree over all, at least 95 % must"


def test_from_100_pictures_on_two_lost_ones_are_too_many() -> None:
    lost = replace(LOST, float_score=0.4)
    assert judge([lost] * 2 + [RIGHT] * 97).objections == ()
    assert judge([lost] * 2 + [RIGHT] * 98).objections == (
        "loses 2.0 points of accuracy (2 of 100 pictures), at most 1 may be lost",
    )


def test_the_sign_test_is_exact() -> None:
    assert by_chance(5, 0) == pytest.approx(1 / 32)
    assert by_chance(4, 1) == pytest.approx(6 / 32)
    assert by_chance(0, 0) == 1


def test_a_verdict_on_few_pictures_tells_how_little_they_can_tell() -> None:
    few = judge([LOST] * 3 + [SWAPPED] + [RIGHT] * 26).notes
    low, high = change_interval(3, 1, 30)
    assert low == pytest.approx(-0.2110, abs=1e-4)
    assert high == pytest.approx(0.0860, abs=1e-4)
    assert "changes by -21.1 to +8.6 points (95 % interval)" in few[0]
    assert "30 test pictures are few to judge agreement by" in few[1]
    assert judge([RIGHT] * 200).notes == ()


def test_of_a_share_the_interval_is_wilsons() -> None:
    assert interval(0.9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert interval(1.0, 24) == pytest.approx((0.8620, 1.0), abs=1e-4)


@pytest.mark.parametrize(("unlike", "objections"), [(3, 0), (4, 0), (5, 1)])
def test_without_truth_agreement_alone_is_judged(unlike: int, objections: int) -> None:
    other = replace(UNKNOWN, tflite_label="fox")
    verdict = judge([other] * unlike + [UNKNOWN] * (40 - unlike))
    assert (verdict.float_accuracy, verdict.tflite_accuracy) == (None, None)
    assert len(verdict.objections) == objections
    assert "agreement alone is judged" in verdict.notes[0]


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


@pytest.mark.parametrize(("pictures", "objections"), [(199, 0), (200, 1)])
def test_from_200_pictures_on_each_that_disagrees_counts(pictures: int, objections: int) -> None:
    unlike = [replace(RIGHT, truth="cow", tflite_label="fox")] * 3
    verdict = judge(unlike + [RIGHT] * (pictures - len(unlike)))
    assert len(verdict.objections) == objections


def test_classes_are_judged_by_the_truth() -> None:
    classes = per_class([RIGHT, LOST, UNSURE], ("cow", "fox", "hen"))
    assert {label: one.pictures for label, one in classes.items()} == {"fox": 1, "hen": 2}
    assert classes["hen"].tflite_accuracy == 0.5
    assert classes["fox"].agreement == 0
