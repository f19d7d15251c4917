"""The gate: what is lost, what agrees, and how many pictures it takes to tell."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from vedette_convert.evaluation.acceptance import (
    Answer,
    count_lost_and_gained,
    judge_answers,
    judge_each_class,
)

RIGHT = Answer("a.jpg", "hen", "hen", 0.9, "hen", 0.9)
LOST = replace(RIGHT, tflite_label="fox")  # float was right, int8 is not
GAINED = replace(RIGHT, float_label="fox")  # float was wrong, int8 is right
BOTH_WRONG = replace(RIGHT, float_label="fox", tflite_label="cow")
UNKNOWN = replace(RIGHT, truth="", float_score=0.6)
CHANGED = replace(UNKNOWN, tflite_label="fox")
SURE, SURE_CHANGED = replace(UNKNOWN, float_score=0.7), replace(CHANGED, float_score=0.7)


def fill(answers: Sequence[Answer], pictures: int, other: Answer = RIGHT) -> list[Answer]:
    """The answers and as many of another kind as there must be."""
    return [*answers, *[other] * (pictures - len(answers))]


def list_numbers(text: str) -> list[str]:
    return re.findall(r"[\d,.]*\d", text)


def test_equal_answers_pass() -> None:
    verdict = judge_answers([RIGHT] * 300)
    assert verdict.objections == ()
    assert verdict.float_accuracy == verdict.tflite_accuracy == verdict.agreement == 1
    assert verdict.accuracy_change == 0


def test_one_picture_alone_refuses_nothing() -> None:
    for one in (RIGHT, LOST, GAINED, BOTH_WRONG, UNKNOWN, CHANGED, SURE):
        assert judge_answers([one]).objections == ()
    verdict = judge_answers([LOST])
    assert verdict.float_accuracy_interval == pytest.approx((0.2065, 1), abs=1e-4)
    assert verdict.tflite_accuracy_interval == pytest.approx((0, 0.7935), abs=1e-4)
    assert verdict.accuracy_change_interval == pytest.approx((-1, 0.7335), abs=1e-4)


@pytest.mark.parametrize(
    ("pictures", "lost", "objections"),
    [(1100, 11, 0), (1000, 11, 1), (40, 6, 0), (40, 7, 1)],  # README names the last two
)
def test_more_than_one_point_lost_is_refused(pictures: int, lost: int, objections: int) -> None:
    assert len(judge_answers(fill([LOST] * lost, pictures)).objections) == objections


@pytest.mark.parametrize(
    ("lost", "gained", "objections"),
    [(6, 0, 0), (7, 0, 1), (8, 1, 0), (10, 1, 1)],  # p = 1/64, 1/128, 10/512, 12/2048
)
def test_a_loss_within_chance_is_not_refused(lost: int, gained: int, objections: int) -> None:
    answers = fill([LOST] * lost + [GAINED] * gained, 150)
    assert len(judge_answers(answers).objections) == objections


@pytest.mark.parametrize(
    ("lost", "gained", "pictures", "objections"),
    [
        (17, 7, 299, 0),  # p = 0.032, but too few pictures
        (17, 7, 300, 1),
        (17, 7, 334, 0),  # less than 3 points
        (16, 7, 300, 0),  # 3 points, and p = 0.047
        (20, 10, 300, 1),  # p = 0.049
        (21, 11, 300, 0),  # p = 0.055
    ],
)
def test_from_300_pictures_on_a_large_loss_is_held_to_less_chance(
    lost: int, gained: int, pictures: int, objections: int
) -> None:
    answers = fill([LOST] * lost + [GAINED] * gained, pictures)
    assert len(judge_answers(answers).objections) == objections


@pytest.mark.parametrize(
    ("changed", "pictures", "objections"),
    [(2, 2, 0), (3, 3, 1), (12, 60, 0), (13, 60, 1), (43, 300, 0), (44, 300, 1)],
)
def test_labels_that_change_significantly_more_than_10_percent_are_refused(
    changed: int, pictures: int, objections: int
) -> None:
    assert len(judge_answers(fill([BOTH_WRONG] * changed, pictures)).objections) == objections
    assert len(judge_answers(fill([GAINED] * changed, pictures)).objections) == objections


@pytest.mark.parametrize(
    ("changed", "pictures", "objections"),
    [(1, 1, 0), (2, 2, 1), (6, 40, 0), (7, 40, 1), (24, 300, 0), (25, 300, 1)],
)
def test_without_truth_significantly_less_than_95_percent_agreement_is_refused(
    changed: int, pictures: int, objections: int
) -> None:
    verdict = judge_answers(fill([CHANGED] * changed, pictures, UNKNOWN))
    assert len(verdict.objections) == objections
    assert verdict.known_pictures == 0
    assert verdict.float_accuracy is verdict.tflite_accuracy is verdict.accuracy_change is None
    assert verdict.float_accuracy_interval is verdict.accuracy_change_interval is None
    assert (verdict.sure_agreement, verdict.sure_agreement_interval) == (None, None)


@pytest.mark.parametrize(
    ("changed", "pictures", "objections"), [(4, 100, 0), (5, 100, 1), (6, 200, 0), (7, 200, 1)]
)
def test_without_truth_less_than_99_percent_agreement_where_float_is_sure_is_refused(
    changed: int, pictures: int, objections: int
) -> None:
    verdict = judge_answers(fill([SURE_CHANGED] * changed, pictures, SURE))
    assert verdict.sure_pictures == pictures
    assert len(verdict.objections) == objections
    unsure = judge_answers(fill([CHANGED] * changed, pictures, UNKNOWN))
    assert (unsure.sure_pictures, unsure.objections) == (0, ())


def test_where_the_truth_is_known_float_may_be_sure_and_wrong() -> None:
    sure = [LOST] * 4 + [GAINED] * 4 + [BOTH_WRONG] * 8
    assert judge_answers(fill(sure, 200)).objections == ()
    truthless = [replace(one, truth="") for one in fill(sure, 200)]
    assert len(judge_answers(truthless).objections) == 1


def test_what_was_better_and_refused_once_passes() -> None:
    """86.6 % float, 86.8 % int8, 348 of 352 agree where float is sure."""
    unsure = [replace(one, float_score=0.5) for one in (LOST, GAINED, BOTH_WRONG, RIGHT)]
    lost, gained, both_wrong, right = unsure
    wrong = replace(right, tflite_label="fox", float_label="fox")
    answers = [LOST] * 2 + [GAINED] * 2 + [RIGHT] * 348
    answers += [lost] * 13 + [gained] * 14 + [both_wrong] * 5 + [right] * 72 + [wrong] * 46
    verdict = judge_answers(answers)
    assert (verdict.pictures, verdict.known_pictures, verdict.sure_pictures) == (502, 502, 352)
    assert verdict.float_accuracy == pytest.approx(435 / 502)
    assert verdict.tflite_accuracy == pytest.approx(436 / 502)
    assert verdict.accuracy_change_interval == pytest.approx((-0.0204, 0.0243), abs=1e-4)
    assert verdict.sure_agreement == pytest.approx(348 / 352)
    assert verdict.sure_agreement_interval == pytest.approx((0.9712, 0.9956), abs=1e-4)
    assert verdict.objections == ()
    assert list_numbers(verdict.meaning) == ["1", "502", "2.0"]


def test_what_is_gained_is_no_objection() -> None:
    assert judge_answers(fill([GAINED] * 9, 300)).objections == ()


def test_pictures_of_known_and_of_unknown_truth_are_each_judged_by_their_own_rules() -> None:
    known, unknown = fill([BOTH_WRONG] * 15, 200), fill([CHANGED] * 5, 100, UNKNOWN)
    both = judge_answers(known + unknown)
    assert both.objections == ()
    assert (both.pictures, both.known_pictures) == (300, 200)
    assert both.float_accuracy == 185 / 200
    assert both.agreement == 280 / 300
    bad_known, bad_unknown = fill([LOST] * 20, 200), fill([CHANGED] * 15, 100, UNKNOWN)
    assert (
        judge_answers(bad_known + unknown).objections == judge_answers(bad_known).objections != ()
    )
    (alone,), (beside,) = (
        judge_answers(one).objections for one in (bad_unknown, known + bad_unknown)
    )
    assert beside.replace(" of unknown truth", "") == alone
    assert len(judge_answers(bad_known + bad_unknown).objections) == 2


def test_the_sentence_tells_the_difference_and_what_so_many_pictures_overlook() -> None:
    assert list_numbers(judge_answers(fill([LOST] * 9 + [GAINED] * 6, 594)).meaning) == [
        "3",
        "594",
        "1.9",
    ]
    assert list_numbers(judge_answers(fill([LOST] * 3 + [GAINED], 30)).meaning) == [
        "2",
        "30",
        "21.1",
    ]
    assert list_numbers(judge_answers([RIGHT] * 594).meaning) == ["594", "0.5"]
    assert list_numbers(judge_answers([RIGHT] * 3000).meaning) == ["3,000", "0.1"]
    assert list_numbers(judge_answers(fill([LOST] * 30, 594)).meaning) == ["30", "594"]  # refused
    assert list_numbers(judge_answers(fill([GAINED] * 30, 594)).meaning) == [
        "30",
        "594",
    ]  # surely better
    assert list_numbers(judge_answers(fill([CHANGED] * 2, 40, UNKNOWN)).meaning) == [
        "38",
        "40",
        "83.5",
    ]


def test_the_sentence_calls_a_loss_chance_only_where_the_gate_does() -> None:
    within, beyond = fill([LOST] * 6, 60), fill([LOST] * 7, 60)
    assert "within chance" in judge_answers(within).meaning
    assert "within chance" not in judge_answers(beyond).meaning
    small = judge_answers(fill([LOST] * 8, 1000))  # beyond chance, but not a point
    assert small.objections == ()
    assert "beyond chance" in small.meaning
    large = judge_answers(fill([LOST] * 17 + [GAINED] * 7, 300))  # within 1 %, not within 5 %
    assert large.objections != ()
    assert "beyond chance" in large.meaning


@pytest.mark.parametrize(
    ("answers", "numbers"),
    [
        (fill([LOST] * 7, 40), ["17.5", "7", "40", "1", "0.0078"]),
        (fill([LOST] * 13, 150), ["8.7", "13", "150", "1", "0.00012"]),
        (fill([LOST] * 20, 200), ["10.0", "20", "200", "1", "0.0001"]),
        (fill([BOTH_WRONG] * 13, 60), ["78.3", "60", "90", "0.0057"]),
        (fill([CHANGED] * 25, 300, UNKNOWN), ["91.7", "300", "95", "0.0093"]),
        (fill([SURE_CHANGED] * 5, 100, SURE), ["95.0", "100", "70", "99", "0.0034"]),
    ],
)
def test_an_objection_tells_what_was_measured_and_the_limit(
    answers: Sequence[Answer], numbers: Sequence[str]
) -> None:
    (objection,) = judge_answers(answers).objections
    assert list_numbers(objection) == numbers


@pytest.mark.parametrize(("lost", "gained", "change"), [(20, 0, -0.1), (4, 10, 0.03)])
def test_the_change_of_accuracy_is_a_share_of_the_pictures(
    lost: int, gained: int, change: float
) -> None:
    verdict = judge_answers(fill([LOST] * lost + [GAINED] * gained, 200))
    assert verdict.accuracy_change == pytest.approx(change)


def test_answers_that_are_too_few_or_too_different_are_called_so() -> None:
    assert "too differently" in judge_answers(fill([BOTH_WRONG] * 13, 60)).meaning
    assert "too few" in judge_answers(fill([CHANGED] * 25, 300, UNKNOWN)).meaning
    assert "too seldom" in judge_answers(fill([SURE_CHANGED] * 5, 100, SURE)).meaning


def test_losses_and_gains_are_counted_where_the_truth_is_known() -> None:
    answers = [LOST, LOST, GAINED, BOTH_WRONG, RIGHT, CHANGED, UNKNOWN]
    assert count_lost_and_gained(answers) == (2, 1)


def test_classes_are_judged_by_the_truth() -> None:
    fox = replace(RIGHT, truth="fox", tflite_label="cow")
    classes = judge_each_class([RIGHT, LOST, fox], ("cow", "fox", "hen"))
    assert {label: one.pictures for label, one in classes.items()} == {"fox": 1, "hen": 2}
    assert classes["hen"].tflite_accuracy == 0.5
    assert classes["fox"].agreement == 0
