"""The page of a fleet in a real browser, with up to 200 devices."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from tests.browser import find_violations, logged, style, text
from tests.edge.fleet.devices import SimulatedDevice, draw_jpeg, run_devices
from tests.edge.fleet.pages import FleetPage, serve_fleet
from tests.edge.mosquitto import Mosquitto, broker, publish, start_broker

__all__ = ["broker", "start_broker"]

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"

IS_WITHIN = "const page = document.documentElement; return page.scrollWidth <= page.clientWidth"


@pytest.fixture
def page(broker: Mosquitto, tmp_path: Path) -> Iterator[FleetPage]:
    with serve_fleet(tmp_path, broker.port) as page:
        yield page


def look(chrome: Chrome, page: FleetPage, width: int = 1280, scheme: str = "light") -> None:
    """Open the page in a window of a width and a colour scheme."""
    logged(chrome, "browser")  # what was there before
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    chrome.get(page.url)


def tiles(chrome: Chrome, selector: str = ".tile") -> list[str]:
    """The ids of the tiles that show, in their order."""
    script = """return [...document.querySelectorAll(arguments[0])]
        .filter((one) => one.offsetParent).map((one) => one.dataset.id)"""
    return list(chrome.execute_script(script, selector))


def wait_for(chrome: Chrome, selector: str, ids: list[str]) -> None:
    limit_s = time.monotonic() + 30
    while (shown := tiles(chrome, selector)) != ids:
        assert time.monotonic() < limit_s, (shown, text(chrome))
        time.sleep(0.02)


def test_a_tile_says_what_a_device_sees_and_how_it_does(
    broker: Mosquitto, page: FleetPage, browser: Chrome
) -> None:
    with SimulatedDevice(broker.port, "barn", ("feeder", "path")) as barn:
        look(browser, page)
        wait_for(browser, "#well .tile", ["barn"])
        assert "no label yet" in text(browser, ".tile")
        barn.change("fox", draw_jpeg(3), region="feeder")
        barn.change("hen", draw_jpeg(4), region="path", score=0.5)
        barn.beat(camera=True)
        page.wait(lambda shown: shown["barn"]["fps"])
        look(browser, page)
        wait_for(browser, "#well .tile", ["barn"])
        lines = list(filter(None, text(browser, ".tile").split("\n")))
        assert lines[0] == "barn"
        assert lines[1:3] == ["feeder", "fox 97 %"]
        assert "hen 50 %" in lines
        assert "camera\xa0works · birds.tflite" in lines
        assert all(word in text(browser, ".tile") for word in ("9.8\xa0frames/s", "52\xa0°C"))
        assert text(browser, "#status") == "1 device, all well"
        barn.lose_camera("unplugged")
        wait_for(browser, "#trouble .tile", ["barn"])
        assert "unplugged" in text(browser, ".problems")
        assert browser.title.startswith("(1)")
        assert logged(browser, "browser") == []


def test_a_page_of_200_devices_shows_them_and_one_that_goes_offline_first(
    broker: Mosquitto, page: FleetPage, browser: Chrome
) -> None:
    names = [f"pi-{number}" for number in range(200)]
    with run_devices(broker.port, names) as devices:
        page.wait(lambda shown: len(shown) == 200 and all(one["labels"] for one in shown.values()))
        for width in (1600, 360):
            look(browser, page, width)
            wait_for(browser, ".tile", names)
            assert browser.execute_script(IS_WITHIN)
        devices[150].__exit__()
        wait_for(browser, ".tile", ["pi-150", *names[:150], *names[151:]])
        assert tiles(browser, "#trouble .tile") == ["pi-150"]
        assert text(browser, "#status") == "1 of 200 devices in trouble"
        script = "const box = document.getElementById('words'); box.focus(); return box"
        box = browser.execute_script(script)
        box.send_keys("PI-19 fox")
        wait_for(browser, ".tile", [f"pi-{number}" for number in (190, 192, 194, 196, 198)])
        assert logged(browser, "browser") == []


def test_names_and_labels_are_text_and_run_nothing(
    broker: Mosquitto, page: FleetPage, browser: Chrome
) -> None:
    fields = {"label": HOSTILE, "region": HOSTILE, "score": 0.5}
    publish(broker.port, "vedette/barn/state", json.dumps(fields).encode(), "-r")
    health = {"model": HOSTILE, "camera": False, "reason": HOSTILE, "page": "javascript:alert(1)"}
    publish(broker.port, "vedette/barn/health", json.dumps(health).encode(), "-r")
    device = {"name": HOSTILE, "mdl": HOSTILE, "cu": "javascript:alert(1)"}
    description = {"dev": device, "cmps": {}, "avty": [{"t": "vedette/barn/available"}]}
    topic = "homeassistant/device/vedette_barn/config"
    publish(broker.port, topic, json.dumps(description).encode(), "-r")  # as watches do
    page.wait(lambda shown: shown["barn"]["name"] == shown["barn"]["model"] == HOSTILE)
    page.wait(lambda shown: shown["barn"]["labels"][0]["label"] == HOSTILE)
    look(browser, page)
    wait_for(browser, ".tile", ["barn"])
    assert text(browser, ".tile").count("<script>") == 6
    count = "return document.querySelectorAll('.tile img, .tile script, .tile a').length"
    assert browser.execute_script(count) == 0
    assert browser.title == "(1) Vedette fleet"


def test_a_device_with_a_page_of_its_own_is_a_link(
    broker: Mosquitto, page: FleetPage, browser: Chrome
) -> None:
    publish(broker.port, "vedette/barn/health", b'{"page": "http://barn.local:8470/"}', "-r")
    page.wait(lambda shown: shown["barn"]["page"])
    look(browser, page)
    wait_for(browser, ".tile", ["barn"])
    assert style(browser, ".tile a", "text-decoration-line") == "underline"
    assert browser.execute_script("return document.querySelector('.tile a').href") == (
        "http://barn.local:8470/"
    )


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "light"), (1600, "dark")])
def test_axe_finds_nothing(
    broker: Mosquitto, page: FleetPage, browser: Chrome, axe: str, width: int, scheme: str
) -> None:
    with SimulatedDevice(broker.port, "barn") as barn:
        barn.beat(temperature_c=85.0)
        barn.change("fox", draw_jpeg(3))
        look(browser, page, width, scheme)
        wait_for(browser, "#trouble .tile", ["barn"])
        assert find_violations(browser, axe) == []


def test_the_page_reconnects_and_says_so_meanwhile(
    broker: Mosquitto, tmp_path: Path, browser: Chrome
) -> None:
    with serve_fleet(tmp_path, broker.port) as page:
        look(browser, page)
        wait_for_status(browser, "Listening")
        assert "vedette run" in text(browser, "#empty")
        address = page.url.removeprefix("http://")
        broker.stop()
        wait_for_status(browser, "Broker:")
        broker.start()
        wait_for_status(browser, "Listening")
    wait_for_status(browser, "No connection")
    with serve_fleet(tmp_path, broker.port, "--bind", address):
        wait_for_status(browser, "Listening")


def wait_for_status(chrome: Chrome, begin: str) -> None:
    limit_s = time.monotonic() + 30
    while not text(chrome, "#status").startswith(begin):
        assert time.monotonic() < limit_s, text(chrome)
        time.sleep(0.02)
