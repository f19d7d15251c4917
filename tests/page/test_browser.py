"""The page in a real browser: at all widths, light and dark, at rest and in trouble."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser import find_violations, logged, text
from tests.edge.mosquitto import wait_until
from tests.edge.page.conftest import TOKEN, Page, start_page
from tests.page.conftest import Director, direct

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
    assert chrome.execute_script(size) == [96, 96]
    assert "96 x 96 pixels" in text(chrome, "#input-caption")


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
        assert chrome.current_url.endswith("/login")
        assert find_violations(chrome, axe) == []
        submit = "document.querySelector('#token').value = arguments[0]; document.forms[0].submit()"
        chrome.execute_script(submit, "wrong" * 5)
        wait_until(lambda: "wrong" in chrome.current_url)
        assert "That is not the token" in text(chrome)
        chrome.execute_script(submit, TOKEN)
        wait_until(lambda: text(chrome, "h1") == "Vedette" and "/login" not in chrome.current_url)
        wait_until(lambda: "no watch at" in text(chrome, "#absent").lower())
