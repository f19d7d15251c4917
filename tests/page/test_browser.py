"""The page in a real browser: at all widths, light and dark, at rest and in trouble."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.browser import find_violations, logged, text
from tests.edge.mosquitto import wait_until
from tests.edge.page.conftest import TOKEN, Page, start_page
from tests.page.conftest import Director, direct

from vedette_edge.files import create_memory_file
from vedette_edge.live.score_history import ENTRY, create_score_history
from vedette_edge.log.records import create_record

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HELLO = {"model": "hens.tflite", "camera": "picamera2"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Director, Page]]:
    folder = tmp_path_factory.mktemp("scene")
    regions = {"door": "0,0,160,240", "yard": "160,0,160,240"}
    with direct(folder / "watch.sock", ["fox", "hen", "unknown"], regions, HELLO) as scene:
        yield scene


@pytest.fixture
def chrome(browser: "Chrome") -> Iterator["Chrome"]:
    """The browser, which is left without a page, so that nobody looks any more."""
    logged(browser, "browser")
    yield browser
    browser.get("about:blank")


def set_screen(chrome: "Chrome", width: int, height: int, scheme: str) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_page(chrome: "Chrome", page: Page) -> None:
    chrome.get(f"http://127.0.0.1:{page.port}/")
    wait_until(lambda: "Watching" in text(chrome, "#status"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_it_fits_all_screens_and_has_no_finding_of_axe(
    chrome: "Chrome", scene: tuple[Director, Page], axe: str, width: int, scheme: str
) -> None:
    set_screen(chrome, width, 900, scheme)
    open_page(chrome, scene[1])
    wait_until(lambda: "°C" in text(chrome, "#facts"))
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    assert find_violations(chrome, axe) == []
    assert logged(chrome, "browser") == []


def test_it_says_what_the_camera_sees_and_why(
    chrome: "Chrome", scene: tuple[Director, Page]
) -> None:
    open_page(chrome, scene[1])
    verdict = text(chrome, "#verdicts")
    assert "door" in verdict
    assert "fox" in verdict
    assert "fox for 4 s; hen would need 0.45 more for 0.4 s." in verdict
    assert text(chrome, "#areas").splitlines() == ["door: fox", "yard: fox"]
    row = text(chrome, "#scores tr").split()
    assert row == ["fox", "0.90", "0.90"]
    size = "const it = document.querySelector('#input'); return [it.naturalWidth, it.naturalHeight]"
    wait_until(lambda: chrome.execute_script(size) == [96, 96])
    wait_until(lambda: "96 x 96 pixels" in text(chrome, "#input-caption"))


def slide(chrome: "Chrome", name: str, value: float) -> None:
    """Move a slider, as a hand does."""
    chrome.execute_script(
        "const it = document.getElementById(arguments[0]); it.value = arguments[1];"
        "it.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


@pytest.fixture
def adjustable(tmp_path: Path) -> Iterator[tuple[Director, Page]]:
    """A watch whose thresholds can be set, with a minute of scores, and a page with a token."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    scores = np.zeros((1, 100), ENTRY)
    scores["labels"][0, 40:] = [[1 + (step // 10) % 2, 0] for step in range(60)]
    scores["scores"][0, 40:] = [[52_428 if step < 30 else 39_321, 0] for step in range(60)]
    file = create_memory_file("scores", scores.nbytes)
    os.pwrite(file, scores.tobytes(), 0)
    shape = {"regions": [""], "count": 100, "newest": 99, "step_s": 1}
    options = "--token-file", str(token)
    with direct(tmp_path / "watch.sock", ["fox", "hen"], {"": ""}, HELLO, *options) as scene:
        director, _ = scene
        director.server.create_score_history = lambda: create_score_history(
            {**director.rules, **shape, "at": time.time()}, file
        )
        director.server.set_thresholds = lambda changes: director.rules.update(
            {name: float(str(value)) for name, value in changes.items()}
        )
        yield scene
    os.close(file)


LATE_PREVIEWS = """
const ask = window.fetch;
window.previews = 0;
window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (String(request[0]).includes("what-if")) {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        window.previews += 1;
    }
    return answer;
};
"""


def test_sliders_show_what_they_would_have_changed_and_apply_it(
    chrome: "Chrome", adjustable: tuple[Director, Page], axe: str
) -> None:
    director, page = adjustable
    chrome.get(f"http://127.0.0.1:{page.port}/login")
    chrome.find_element("css selector", "input").send_keys(TOKEN)
    chrome.find_element("css selector", "form").submit()
    wait_until(lambda: "Watching" in text(chrome, "#status"))
    assert text(chrome, "#enter-value") == "0.50"
    assert not chrome.find_element("id", "apply").is_enabled()
    slide(chrome, "enter", 0.7)
    wait_until(lambda: "instead" in text(chrome, "#effect"))
    effect = text(chrome, "#effect").partition(": ")[2]
    assert effect == (
        "3 changes instead of 5; unknown for 30 s instead of 0 s; "
        "hen for 10 s instead of 30 s; fox for 20 s instead of 30 s."
    )
    slide(chrome, "leave", 0.75)  # takes the other along
    assert text(chrome, "#enter-value") == "0.75"
    assert find_violations(chrome, axe) == []
    chrome.find_element("id", "apply").click()
    wait_until(lambda: "Applied" in text(chrome, "#effect"))
    assert (director.rules["enter"], director.rules["leave"]) == (0.75, 0.75)
    director.server.set_thresholds = None
    chrome.execute_script(LATE_PREVIEWS)
    slide(chrome, "enter", 0.9)
    chrome.find_element("id", "apply").click()
    wait_until(lambda: "no thresholds to set" in text(chrome, "#effect"))
    wait_until(lambda: chrome.execute_script("return window.previews"))
    chrome.execute_async_script("setTimeout(arguments[0], 100)")
    assert "no thresholds to set" in text(chrome, "#effect")  # and not the preview
    chrome.delete_all_cookies()


def test_a_page_without_a_token_says_why_nothing_can_be_applied(
    chrome: "Chrome", scene: tuple[Director, Page]
) -> None:
    open_page(chrome, scene[1])
    wait_until(lambda: "--token-file" in text(chrome, "#thresholds"))
    slide(chrome, "enter", 0.9)
    wait_until(lambda: "keeps no scores" in text(chrome, "#effect"))
    assert not chrome.find_element("id", "apply").is_enabled()
    logged(chrome, "browser")


def test_a_change_appears_at_once_and_is_announced(
    chrome: "Chrome", scene: tuple[Director, Page]
) -> None:
    director, page = scene
    open_page(chrome, page)
    change = {"label": "hen", "best": "hen", "score": 0.7, "frame_score": 0.8, "frame": 7}
    wait_until(lambda: director.server._wants_records)
    director.server.write(create_record("change") | change | {"region": "door"})
    wait_until(lambda: "door: hen\n0.80" in text(chrome, "#changes"))
    live = "return document.querySelectorAll('#verdicts [aria-live=polite]').length"
    assert chrome.execute_script(live) == 2


def test_a_lost_camera_and_a_lost_watch_are_told(
    tmp_path: Path, chrome: "Chrome", axe: str
) -> None:
    with direct(tmp_path / "watch.sock", ["fox", "hen"], {"": ""}, HELLO) as (director, page):
        open_page(chrome, page)
        director.paused = True
        lost = {"camera": "picamera2", "reason": "the cable is loose"}
        director.server.write(create_record("camera_lost") | lost)
        wait_until(lambda: "Camera lost for" in text(chrome, "#status"))
        assert "the cable is loose" in text(chrome, "#status")
        assert find_violations(chrome, axe) == []
        director.paused = False
        director.server.write(create_record("camera_restored") | {"lost_s": 1.0})
        wait_until(lambda: text(chrome, "#status") == "Watching")
        director.server.close()
        wait_until(lambda: text(chrome, "#status") == "No watch")
        assert "vedette run --socket" in text(chrome, "#absent")
        assert find_violations(chrome, axe) == []
    wait_until(lambda: "No connection to the page" in text(chrome, "#status"))


def test_a_thousand_labels_are_shown_when_they_are_asked_for(
    tmp_path: Path, chrome: "Chrome"
) -> None:
    labels = [f"label {number}" for number in range(1000)]
    with direct(tmp_path / "watch.sock", labels, {"": ""}, HELLO) as (_, page):
        open_page(chrome, page)
        count = "return document.querySelectorAll('#scores tr').length"
        wait_until(lambda: chrome.execute_script(count) == 12)
        chrome.execute_script("document.querySelector('#all-labels').click()")
        wait_until(lambda: chrome.execute_script(count) == 1000)


def test_names_that_are_markup_stay_text(tmp_path: Path, chrome: "Chrome") -> None:
    evil = "<img src=x onerror=document.title='hacked'>"
    hello = {"model": evil, "camera": evil}
    with direct(tmp_path / "watch.sock", [evil, "hen"], {"": ""}, hello) as (director, page):
        open_page(chrome, page)
        change = {"label": evil, "best": evil, "score": 0.7, "frame": 7, "snapshot": evil}
        director.server.write(create_record("change") | change)
        wait_until(lambda: evil in text(chrome, "#changes"))
        wait_until(lambda: evil in text(chrome, "#facts"))
        time.sleep(0.5)
        assert evil in text(chrome, "#verdicts")
        assert "hacked" not in chrome.title


def test_the_token_is_asked_for(tmp_path: Path, chrome: "Chrome", axe: str) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(TOKEN)
    with start_page("--socket", tmp_path / "watch.sock", "--token-file", path) as page:
        chrome.get(f"http://127.0.0.1:{page.port}/")
        wait_until(lambda: chrome.current_url.endswith("/login"))
        assert find_violations(chrome, axe) == []
        submit = "document.querySelector('#token').value = arguments[0]; document.forms[0].submit()"
        chrome.execute_script(submit, "wrong" * 5)
        wait_until(lambda: "wrong" in chrome.current_url)
        assert "That is not the token" in text(chrome)
        chrome.execute_script(submit, TOKEN)
        wait_until(lambda: text(chrome, "h1") == "Vedette" and "/login" not in chrome.current_url)
        wait_until(lambda: "no watch at" in text(chrome, "#absent").lower())
