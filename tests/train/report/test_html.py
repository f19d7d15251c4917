"""The page of a run, opened in a real browser."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait
from tests.browser import contrast, logged, luminance, style, text
from tests.train.report.imagined_run import (
    AUDIT,
    HOSTILE,
    build_closed_form_report,
    build_evaluation,
    build_report,
    build_unknown,
    name_label,
)

from vedette_edge.images import decoding
from vedette_train.data.audit import FINDING_KINDS, Audit, Finding
from vedette_train.evaluation.calibration import measure_reliability
from vedette_train.report import html as report
from vedette_train.report import plots
from vedette_train.report.html import MOST_LABEL_ERRORS, Report

Open = Callable[..., Chrome]


@pytest.fixture(scope="module")
def fifty() -> Report:
    """600 test pictures of 50 classes."""
    return build_report(build_evaluation(50, 12, right=0.8), AUDIT)


def write_page(page: Report, folder: Path) -> str:
    report.write_report(page, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def opened(browser: Chrome, tmp_path: Path) -> Open:
    """Opens a report, in a window of that width and colour scheme."""

    def open_page(page: Report, width: int = 1280, scheme: str = "light") -> Chrome:
        for log in ("browser", "performance"):
            logged(browser, log)  # what was there before
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        report.write_report(page, tmp_path / "report.html")
        browser.get((tmp_path / "report.html").as_uri())
        WebDriverWait(browser, 60).until(is_loaded)
        return browser

    return open_page


def is_loaded(chrome: Chrome) -> bool:
    return bool(chrome.execute_script("return document.readyState === 'complete'"))


def test_the_page_tells_how_good_the_model_is_and_how_sure_that_is(
    fifty: Report, opened: Open
) -> None:
    shown = text(opened(fifty))
    assert "81.3%" in shown.replace("\n", "")
    assert "between 78.0% and 84.3% (95% interval)" in shown
    right = int(fifty.evaluation.correct.sum())
    named = f"The model names {right} of 600 test photographs right that it has never seen"
    assert named in shown
    assert "Always giving the commonest answer would reach 2.0%" in shown


def test_the_page_tells_how_the_run_was_made(fifty: Report, opened: Open) -> None:
    shown = text(opened(fifty))
    for what in (
        "flowers & <i>ferns</i>", "vedette-train fit '<photos>'", "5eed" * 16, "keras\n3.15.1",
        "1 h 2 min", "1.41 GB", "seed\n7", "start\nnone", "flip\nyes", "added\n1,234",
    ):  # fmt: skip
        assert what in shown


def test_a_browser_finds_no_fault_and_asks_the_network_for_nothing(
    fifty: Report, opened: Open
) -> None:
    chrome = opened(fifty)
    assert logged(chrome, "browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in logged(chrome, "performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [chrome.current_url]


def test_every_picture_is_shown(fifty: Report, opened: Open) -> None:
    chrome = opened(fifty)
    widths = chrome.execute_script("return [...document.images].map(image => image.naturalWidth)")
    samples, augmented, worst, audit = 30, 16, 18, 2 + 4 + 6
    assert widths == [64] * (samples + augmented + worst + audit)


def test_no_two_parts_of_the_page_have_the_same_id(fifty: Report, opened: Open) -> None:
    script = "return [...document.querySelectorAll('[id]')].map(element => element.id)"
    ids = opened(fifty).execute_script(script)
    assert len(ids) == len(set(ids)) > 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(fifty: Report, opened: Open, scheme: str) -> None:
    chrome = opened(fifty, scheme=scheme)
    paper = luminance(style(chrome, "body", "backgroundColor"))
    assert paper < 0.05 if scheme == "dark" else paper > 0.9
    for what in ("body", ".soft", ".wrong", ".accent", "figcaption", ".matrix thead th"):
        assert contrast(paper, luminance(style(chrome, what, "color"))) >= 4.5
    assert contrast(paper, luminance(style(chrome, "svg text", "fill"))) >= 4.5


def test_the_confusion_of_fifty_classes_stays_readable(fifty: Report, opened: Open) -> None:
    chrome = opened(fifty)
    assert chrome.execute_script("return document.querySelectorAll('.matrix td').length") == 2500
    counts = fifty.evaluation.count_confusions()
    shown = chrome.execute_script(
        "return [...document.querySelectorAll('.matrix td')].map(cell => Number(cell.innerText))"
    )
    assert shown == counts.ravel().tolist()
    labels = chrome.execute_script(
        """return [...document.querySelectorAll('.matrix tbody th, .matrix thead th + th')].map(
            one => [one.innerText, parseFloat(getComputedStyle(one).fontSize), one.offsetHeight])"""
    )
    assert [name for name, *_ in labels] == list(fifty.evaluation.labels) * 2
    assert min(size for _, size, _ in labels) >= 9
    assert min(height for *_, height in labels) >= 9
    row, column = np.argwhere(counts - np.diag(counts.diagonal()))[5]
    tooltip = f"{name_label(row)} taken for {name_label(column)}: {counts[row, column]} of 12"
    assert chrome.execute_script(
        "return [...document.querySelectorAll('.no')].some(cell => cell.title === arguments[0])",
        tooltip,
    )


@pytest.mark.parametrize("name", [HOSTILE, "w" * 200])
def test_the_page_fits_a_phone(fifty: Report, opened: Open, name: str) -> None:
    long = replace(
        fifty, name=name, command=name, samples=[(name, one) for _, one in fifty.samples]
    )
    labels = (name, *fifty.evaluation.labels[1:])
    evaluation = replace(fifty.evaluation, labels=labels)
    per_class = {"per_class": evaluation.summarize_classes()}
    chrome = opened(
        replace(long, evaluation=evaluation, metrics={**fifty.metrics, **per_class}), width=400
    )
    assert chrome.execute_script("return document.documentElement.scrollWidth") == 400
    assert chrome.execute_script("return document.querySelector('.matrix').scrollWidth") > 800


def test_a_name_is_only_a_name(fifty: Report, opened: Open) -> None:
    chrome = opened(fifty)
    assert text(chrome).count(HOSTILE) > 5
    script = "return [...document.querySelectorAll('b, i')].map(element => element.innerText)"
    assert "a$_$b [red]" not in chrome.execute_script(script)


def test_the_surest_mistakes_come_first(fifty: Report, opened: Open) -> None:
    evaluation = fifty.evaluation
    wrong = np.flatnonzero(~evaluation.correct)
    surest = wrong[np.argmax(evaluation.scores[wrong].max(axis=1))]
    shown = opened(fifty).execute_script("return document.querySelector('.worst li').innerText")
    assert shown.split("\n") == [
        f"{name_label(evaluation.answers[surest])} {evaluation.scores[surest].max():.1%}",
        f"is {name_label(evaluation.truth[surest])}",
        fifty.files[surest],
    ]


def test_the_audit_shows_some_and_counts_all(fifty: Report, opened: Open) -> None:
    chrome = opened(fifty)
    shown = chrome.execute_script("return document.querySelector('#audit').innerText")
    for what in (
        "105 usable pictures in 2 classes, from 40", "1damaged or cut short", "318grey",
        "class_001/broken.jpg", "and 312 more in audit.json", "and 5 more files", "class_001: 3",
    ):  # fmt: skip
        assert what in shown


def test_nothing_to_find_is_one_line(fifty: Report, opened: Open) -> None:
    clean = replace(fifty, audit=Audit({"a": 30, "b": 30}, ()))
    shown = opened(clean).execute_script("return document.querySelector('#audit').innerText")
    assert shown.splitlines()[-1].startswith("60 usable pictures in 2 classes, 30 in each.")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["below 43.0% is called unknown", "81.2% of the pictures get a label, and 96.1%",
              "Of 120 pictures of none of the classes, 7.0%",
              "2.0% of 80 in empty, 17.0% of 40 in cats. One kind"]),
        ({"below": 0.0}, ["There is no threshold: without one, at least 95% of the answers"]),
        ({"below": 0.0, "precision_reached": False}, ["no threshold: none gives the 95% right"]),
        ({"below_by_label": {"a": 0.0, "b": 0.5}}, ["threshold of their own: b 50.0%."]),
        ({"test_answered": 0.0, "test_precision": None}, ["0.0% of the pictures get a label."]),
        ({"pictures": None, "false_accepts": None}, ["--unknown FOLDER"]),
    ],
)  # fmt: skip
def test_the_page_tells_what_the_threshold_does(
    fifty: Report, opened: Open, changes: dict[str, Any], expected: Sequence[str]
) -> None:
    chrome = opened(replace(fifty, metrics={**fifty.metrics, "unknown": build_unknown(**changes)}))
    shown = text(chrome)
    for what in expected:
        assert what in shown


def test_the_page_does_not_judge_scores_that_chance_hides(fifty: Report, opened: Open) -> None:
    shown = text(opened(fifty))
    assert "calibration error on the test part from 12.4% to 3.1%" in shown
    assert "too few to judge the scores" not in shown
    measured = {**fifty.metrics["calibration"], "ece_after": 0.071, "ece_by_chance": 0.06}
    shown = text(opened(replace(fifty, metrics={**fifty.metrics, "calibration": measured})))
    assert "too few to judge the scores: by chance, even scores that are exactly true" in shown
    assert "calibration error" not in shown


def test_scores_that_are_all_alike_are_a_point_with_a_name() -> None:
    one = measure_reliability(np.array([[0.99, 0.01]] * 4, np.float32), np.zeros(4, np.intp))
    two = measure_reliability(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), np.zeros(2, np.intp))
    drawn = plots.render_calibration(one, two)
    assert "before calibration: all near 99%" in drawn
    assert "after calibration<" in drawn


def test_a_model_without_mistakes_and_without_augmentation_is_told_of(opened: Open) -> None:
    page = build_report(build_evaluation(3, 10, right=1.0), AUDIT)
    metrics = {name: value for name, value in page.metrics.items() if name != "changes"}
    shown = text(opened(replace(page, augmented=None, metrics=metrics, command="")))
    assert "None: every picture was named right" in shown
    assert "taken for" not in shown
    assert "Augmented" not in shown
    assert "Changes in the data" not in shown


@pytest.fixture(scope="module")
def closed_form() -> Report:
    return build_closed_form_report()


def test_accuracy_in_cross_validation_is_named_as_such(closed_form: Report, opened: Open) -> None:
    chrome = opened(closed_form)
    assert chrome.find_element("id", "accuracy").text.replace("\n", "") == "76.5%"
    assert chrome.find_element("id", "interval").text == "70.0% and 81.2%"
    shown = text(chrome)
    assert "test part" in shown
    assert "test photograph" not in shown
    assert "cross-validation" in shown
    assert "validation part" not in shown
    assert logged(chrome, "browser") == []


def test_without_epochs_the_page_tells_if_there_are_enough_pictures(
    closed_form: Report, fifty: Report, opened: Open
) -> None:
    chrome = opened(closed_form)
    assert len(chrome.find_elements("css selector", "#learning svg")) == 1
    assert "Do you have enough pictures?" in text(chrome)
    chrome = opened(fifty)
    assert len(chrome.find_elements("css selector", "#learning svg")) == 2
    assert "Do you have enough pictures?" not in text(chrome)
    chrome = opened(replace(closed_form, learning_curve=[]))
    assert chrome.find_elements("css selector", "#learning, nav a[href='#learning']") == []


def test_likely_label_errors_are_shown_with_their_pictures(
    closed_form: Report, fifty: Report, opened: Open
) -> None:
    chrome = opened(closed_form)
    assert len(chrome.find_elements("css selector", "#labels img")) == MOST_LABEL_ERRORS
    first = chrome.find_element("css selector", "#labels li").text
    assert first.split("\n") == ["class_002 90.0%", "lies in class_001 1.0%", "class_001/0.jpg"]
    assert "40" in chrome.find_element("css selector", "#labels > p").text
    assert opened(fifty).find_elements("css selector", "#labels, nav a[href='#labels']") == []


def test_a_model_with_an_output_for_unknown_has_it_in_its_matrix(
    closed_form: Report, opened: Open
) -> None:
    chrome = opened(closed_form)
    names = [one.text for one in chrome.find_elements("css selector", ".matrix tbody th")]
    assert "unknown" in names
    scores = chrome.find_element("id", "scores").text
    assert "class_001 55.0%" in scores
    assert "output of its own" in scores


def test_the_page_of_a_thousand_classes_stays_small(tmp_path: Path) -> None:
    many = Audit(
        {name_label(number): 5 for number in range(1000)},
        tuple(
            Finding(kind, tuple(f"{kind}/{place}.jpg" for place in range(50)), "alike")
            for kind in FINDING_KINDS
            for _ in range(300)
        ),
    )
    page = write_page(build_report(build_evaluation(1000, 5, right=0.5), many), tmp_path)
    assert "the 60 classes with the most mistakes of 1,000" in page
    assert "all 1,000 stand in <code>metrics.json</code>" in page
    assert "and 294 more in <code>audit.json</code>" in page
    assert len(page) < 1.5e6


def test_the_same_run_gives_the_same_page(fifty: Report, tmp_path: Path) -> None:
    assert write_page(fifty, tmp_path) == write_page(fifty, tmp_path)


def test_the_drawn_confusion_of_many_classes_stays_small(tmp_path: Path) -> None:
    plots.draw_confusion(build_evaluation(300, 2, right=0.5), tmp_path / "confusion.png")
    assert max(decoding.read_image(tmp_path / "confusion.png").shape) < 2000
