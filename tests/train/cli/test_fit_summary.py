"""The results of a run in words, and the files that it leaves out."""

import io
from pathlib import Path
from typing import Any

from tests.train.report.imagined_run import (
    build_evaluation,
    build_metrics,
    build_unknown,
    convert_metrics,
)

from vedette_edge.console import create_console
from vedette_train import TrainConfig, TrainingRun
from vedette_train.cli.fit_summary import MOST_LINES, print_metrics, summarize_left_out
from vedette_train.config import FEW_CLASSES


def print_lines(metrics: dict[str, Any]) -> list[str]:
    run = TrainingRun(Path("runs/hens"), TrainConfig(), ("hen", "fox"), metrics, None)
    stream = io.StringIO()
    print_metrics(run, create_console(stream))
    return stream.getvalue().splitlines()


def test_results_are_sentences_without_terms_of_statistics() -> None:
    metrics = build_metrics(build_evaluation(3, 60, right=0.8))
    metrics["unknown"] = build_unknown(below_by_label={"hen": 0.4, "fox": 0.55})
    assert print_lines(metrics)[1:5] == [
        "always giving the commonest answer would reach 33.4%",
        "scores are 3.1 points from the real accuracy on average (12.4 before calibration; chance "
        "alone would make them 2.0)",
        "scores below 43% (40% to 55% for some labels) become unknown: 81% of the pictures keep a "
        "label, and 96.1% of these labels are right",
        "of 120 pictures of none of the classes, 7.0% get a label",
    ]
    metrics["unknown"] = build_unknown(below=0, precision_reached=False, pictures=0)
    assert print_lines(metrics)[3].startswith("no score is high enough for 95% right labels")


def test_scores_that_chance_hides_are_not_judged() -> None:
    metrics = build_metrics(build_evaluation(3, 10, right=0.8))
    metrics["calibration"] |= {"ece_before": 0.0, "ece_after": 0.071, "ece_by_chance": 0.06}
    assert print_lines(metrics)[2] == "30 test pictures are too few to judge the scores"
    assert print_lines(convert_metrics(metrics))[2].startswith("240 pictures are too few")
    metrics["calibration"]["ece_after"] = 0.2  # wrong beyond chance
    assert print_lines(metrics)[2].startswith("scores are 20.0 points from the real accuracy")


def test_the_advice_for_few_classes_also_fits_those_who_followed_it() -> None:
    metrics = build_metrics(build_evaluation(FEW_CLASSES, 60, right=0.8))
    metrics["unknown"] = build_unknown(has_output=True)
    (advice,) = [line for line in print_lines(metrics) if "so few classes" in line]
    assert "it helps if one class is what the camera sees when nothing is there" in advice
    assert "add" not in advice
    metrics["per_class"]["another"] = metrics["per_class"]["class_001"]
    assert not any("so few classes" in line for line in print_lines(metrics))


def test_without_a_test_part_the_accuracy_is_that_of_cross_validation() -> None:
    line = print_lines(convert_metrics(build_metrics(build_evaluation(3, 60, right=0.8))))[0]
    assert line.startswith("76.5% of 240 pictures right")
    assert "cross-validation" in line


def test_files_that_are_left_out_for_one_reason_are_one_line() -> None:
    left_out = {f"hen/{number}.txt": "not a picture" for number in range(12)}
    left_out["fox/cut.jpg"] = "damaged"
    assert list(summarize_left_out(left_out)) == [
        "left out 12 files, such as hen/0.txt: not a picture",
        "left out fox/cut.jpg: damaged",
        "metrics.json will name all files that are left out",
    ]


def test_many_reasons_are_not_all_printed() -> None:
    lines = list(summarize_left_out({f"{number}.jpg": f"reason {number}" for number in range(50)}))
    assert len(lines) == MOST_LINES + 1
    assert "metrics.json" in lines[-1]


def test_a_file_that_is_named_needs_no_further_list() -> None:
    assert list(summarize_left_out({"a.jpg": "damaged"})) == ["left out a.jpg: damaged"]
    assert list(summarize_left_out({})) == []
