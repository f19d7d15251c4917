"""The page of a conversion, opened in a real browser."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from selenium.webdriver import Chrome
from tests.browser import contrast, logged, luminance, style, text

from vedette_convert.candidates import Candidate, ConversionResult
from vedette_convert.evaluation.acceptance import Answer, judge_answers
from vedette_convert.evaluation.comparison import Latency
from vedette_convert.evaluation.layer_error import LayerError
from vedette_convert.quantization.scheme import ConvertConfig
from vedette_convert.report import html
from vedette_convert.run import Photograph, Run
from vedette_edge.model.contract import Confidence, Contract, Provenance

HOSTILE = "<b>a$_$b [red]</b>"
PER_CLASS = 12
Open = Callable[..., Chrome]


def name_labels(count: int) -> tuple[str, ...]:
    return (HOSTILE, *(f"class_{number:03}" for number in range(1, count)))


def create_run(folder: Path, classes: int) -> Run:
    """A run with PER_CLASS test pictures of each class, each of a file of its own."""
    named = name_labels(classes)
    photographs = []
    for number in range(classes * PER_CLASS):
        file = folder / f"{number:04}.png"
        cv2.imwrite(str(file), np.full((30, 40, 3), number % 256, np.uint8))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        photographs.append(Photograph("test", named[number % classes], str(file), digest))
    contract = Contract(
        named, 150, 150, "rgb", "squash", "box-linear-exact-1", "unit",
        Confidence(1.0, 0.0), Provenance("5eed" * 16, {}, 0, {"vedette-train": "0.1.0"}, {}),
    )  # fmt: skip
    return Run(folder / "Trained_Weight.h5", contract, tuple(photographs))


def create_answers(run: Run, disputed: int) -> tuple[Answer, ...]:
    """Float is right but for each seventh picture; the .tflite differs on the first `disputed`."""
    named = run.contract.labels
    answers = []
    for number, one in enumerate(run.photographs):
        place = named.index(one.label) + (number % 7 == 0)
        label, other = named[place % len(named)], named[(place + 1) % len(named)]
        second = other if number < disputed else label
        score = 0.9 - number / 1000
        answers.append(Answer(one.file, one.label, label, score, second, score / 2))
    return tuple(answers)


def create_result(run: Run, disputed: int, objections: Sequence[str] = ()) -> ConversionResult:
    answers = create_answers(run, disputed)
    layers = tuple(LayerError(f"conv_{number}", number / 50) for number in range(1, 9))
    candidate = Candidate(
        name="first attempt",
        quantization="int8",
        calibration=100,
        graph=bytes(5_330_000),
        contract=run.contract,
        latency=Latency(1.25, 0.5, 2.75),
        answers=answers,
        verdict=judge_answers(answers),
        objections=tuple(objections),
        layers=layers,
    )
    out = run.weights.with_name("hens.tflite")
    return ConversionResult((candidate,), candidate, 21_300_000, 6.5, (), out, {})


@pytest.fixture
def fifty(tmp_path: Path) -> Run:
    return create_run(tmp_path, 50)


@pytest.fixture
def open_report(browser: Chrome) -> Open:
    """Opens a report, in a window of that width and colour scheme."""

    def open_page(
        result: ConversionResult, run: Run, width: int = 1280, scheme: str = "light"
    ) -> Chrome:
        for log in ("browser", "performance"):
            logged(browser, log)  # what was there before
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        html.write_report(result, run, ConvertConfig())
        browser.get(result.report.as_uri())
        return browser

    return open_page


def test_float_and_int8_stand_side_by_side(fifty: Run, open_report: Open) -> None:
    chrome = open_report(create_result(fifty, 6), fifty)
    content = " ".join(text(chrome, "header").split())
    assert "hens.tflite int8 passes" in content
    verdict = create_result(fifty, 6).best.verdict
    assert verdict.meaning in content
    assert "85.7% 82.6% to 88.2%" in content
    assert "84.8% 81.7% to 87.5%" in content
    assert "-0.8 points -1.7 to +0.0" in content  # five lost, none gained
    assert "99.0% 97.8% to 99.5%" in content
    assert f"{verdict.sure_agreement:.1%}" in content
    assert "21.30 MB 5.33 MB" in content
    assert "6.50 ms 2.75 ms" in content


def test_a_refusal_is_the_first_thing_told(fifty: Run, open_report: Open) -> None:
    chrome = open_report(create_result(fifty, 90, ["loses 9.0 points of accuracy"]), fifty)
    assert text(chrome, ".verdict") == "int8 is refused"
    assert "It loses 9.0 points of accuracy." in text(chrome, "header")
    assert "loses 9.0 points of accuracy" in text(chrome, "#attempts")


def test_a_browser_finds_no_fault_and_asks_the_network_for_nothing(
    fifty: Run, open_report: Open
) -> None:
    chrome = open_report(create_result(fifty, 6), fifty)
    assert logged(chrome, "browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in logged(chrome, "performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [chrome.current_url]


def test_the_disputed_pictures_are_shown_the_surest_first(fifty: Run, open_report: Open) -> None:
    chrome = open_report(create_result(fifty, 60), fifty)
    widths = chrome.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert widths == [40] * 40
    assert "60 of 600 pictures; these 40 with the highest scores" in text(chrome, "#disputed")
    shown = chrome.execute_script("return document.querySelectorAll('.pictures li')[1].innerText")
    assert shown.split("\n") == ["class_001", "float: class_001 89.9%", "int8: class_002 45.0%"]


def test_nothing_disputed_is_one_line(fifty: Run, open_report: Open) -> None:
    assert "None" in text(open_report(create_result(fifty, 0), fifty), "#disputed")


@pytest.mark.parametrize("classes", [3, 50])
def test_both_confusions_can_be_read(classes: int, open_report: Open, tmp_path: Path) -> None:
    run = create_run(tmp_path, classes)
    result = create_result(run, 6)
    chrome = open_report(result, run)
    assert chrome.execute_script("return document.querySelectorAll('#confusion svg').length") == 2
    for number, name in enumerate(("float_label", "tflite_label")):
        cells = chrome.execute_script(
            "return [...document.querySelectorAll('#confusion svg')[arguments[0]].querySelectorAll"
            "('rect.right, rect.wrong')].map(cell => cell.textContent)",
            number,
        )
        counted = {(one.truth, getattr(one, name)) for one in result.best.answers}
        assert len(cells) == len(counted)
        shares = [cell.rpartition(": ")[2].split(" of ")[0] for cell in cells]
        assert sum(map(int, shares)) == classes * PER_CLASS
    assert chrome.execute_script("return document.querySelectorAll('.changed').length") > 0
    sizes = chrome.execute_script(
        "return [...document.querySelectorAll('svg text')].map(one => [one.firstChild.data, "
        "parseFloat(getComputedStyle(one).fontSize)])"
    )
    assert len(sizes) == 4 * classes
    assert sizes[0][0] == HOSTILE
    assert min(size for _, size in sizes) >= 9


def test_of_a_thousand_classes_the_most_muddled_are_shown(tmp_path: Path) -> None:
    named = tuple(f"class_{number:04}" for number in range(1000))
    answers = [
        Answer(f"{place}", label, label, 0.9, label, 0.9) for place, label in enumerate(named)
    ]
    answers[500] = replace(answers[500], tflite_label=named[7])
    run = create_run(tmp_path, 3)
    run = replace(run, contract=replace(run.contract, labels=named))
    result = create_result(create_run(tmp_path, 3), 0)
    candidate = replace(result.best, answers=tuple(answers))
    first, second = html.count_confusions(replace(result, best=candidate), named)
    assert first.labels == second.labels
    assert len(first.labels) == 60
    assert {named[500], named[7]} <= set(first.labels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(fifty: Run, open_report: Open, scheme: str) -> None:
    chrome = open_report(create_result(fifty, 6), fifty, scheme=scheme)
    back = luminance(style(chrome, "body", "backgroundColor"))
    assert back < 0.05 if scheme == "dark" else back > 0.9
    for what in ("body", ".quiet", ".good", "h1", "th", "dt"):
        assert contrast(back, luminance(style(chrome, what, "color"))) >= 4.5
    assert contrast(back, luminance(style(chrome, "svg text", "fill"))) >= 4.5


@pytest.mark.parametrize("name", ["", "w" * 200])
def test_the_page_fits_a_phone(name: str, open_report: Open, fifty: Run) -> None:
    named = (name or HOSTILE, *fifty.contract.labels[1:])
    run = replace(fifty, contract=replace(fifty.contract, labels=named))
    photographs = [
        replace(one, label=named[0]) if one.label == HOSTILE else one for one in fifty.photographs
    ]
    run = replace(run, photographs=tuple(photographs))
    chrome = open_report(create_result(run, 6), run, width=400)
    assert chrome.execute_script("return document.documentElement.scrollWidth") == 400


def test_layers_time_and_settings_are_told(fifty: Run, open_report: Open) -> None:
    content = text(open_report(create_result(fifty, 6), fifty))
    for what in (
        "conv_8", "16.0%", "1.25 ms", "0.50 ms", "calibration pictures\n100", "tflite-2.14",
        "5eed" * 16, "tensorflow", "ai-edge-litert", HOSTILE,
    ):  # fmt: skip
        assert what in content


def test_without_truth_there_is_no_confusion(fifty: Run, open_report: Open) -> None:
    result = create_result(fifty, 6)
    answers = tuple(replace(one, truth="") for one in result.best.answers)
    candidate = replace(result.best, answers=answers, verdict=judge_answers(answers))
    chrome = open_report(replace(result, best=candidate, candidates=(candidate,)), fifty)
    assert "What each confuses" not in text(chrome)
    assert candidate.verdict.meaning in text(chrome, "header")
    assert "accuracy" not in text(chrome, ".two")
    assert "99.0%" in text(chrome, ".two")


def test_activations_that_stay_float_have_no_error(fifty: Run, open_report: Open) -> None:
    result = create_result(fifty, 6)
    candidate = replace(result.best, quantization="dynamic", layers=())
    chrome = open_report(replace(result, best=candidate), fifty)
    assert "with dynamic the activations stay float" in text(chrome, "#layers")
