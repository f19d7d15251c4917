"""The page of a fleet with 200 devices: how soon it shows them, and what it costs.

    .venv/bin/python -m tests.scale.fleet [--devices 200] [--seconds 30]

Run it where the checkout is. The devices have the real client and outbox. One of them is a process
of its own, which is killed, so that the broker publishes its last will.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from tests.edge.fleet.devices import SimulatedDevice, draw_jpeg, run_devices
from tests.edge.fleet.pages import FleetPage, serve_fleet
from tests.edge.mosquitto import Mosquitto
from tests.scale.watches import say

from vedette_edge.benchmark.recorder import ProcessUsage

TIMES = 10
PAINTED = """
const begun = setInterval(() => {
  const tiles = document.querySelectorAll('.tile');
  const shown = [...document.querySelectorAll('.tile img')].filter(
    (one) => one.getBoundingClientRect().top < innerHeight);
  if (tiles.length < COUNT || !shown.length || !shown.every((one) => one.complete)) return;
  clearInterval(begun);
  requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); }));
}, 5);
"""
FIRST = "const tile = document.querySelector('#trouble .tile'); return tile && tile.dataset.id"


def main(count: int, seconds: float) -> None:
    """Print the measurements."""
    names = [f"pi-{number:03}" for number in range(count - 1)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as parts:
        broker = Mosquitto(Path(name), "persistence false\nlog_type all")
        broker.start()
        parts.callback(broker.kill)
        devices = parts.enter_context(run_devices(broker.port, names))
        victim = parts.enter_context(run_victim(broker.port))
        begun_s = time.monotonic()
        page = parts.enter_context(serve_fleet(Path(name), broker.port))
        page.wait(
            lambda shown: len(shown) == count and all(one["labels"] for one in shown.values())
        )
        say(f"start of the command until it knows all: {time.monotonic() - begun_s:.2f} s")
        measure_cost(page, devices, seconds, "nobody looks")
        chrome = parts.enter_context(open_chrome())
        measure_paint(chrome, page, count)
        measure_cost(page, devices, seconds, "one browser looks")
        measure_offline(chrome, devices, victim)
        print_log(broker)


@contextmanager
def run_victim(port: int) -> Iterator["subprocess.Popen[str]"]:
    """Run a device in a process of its own."""
    command = [sys.executable, "-m", "tests.edge.fleet.devices", str(port), "victim"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


@contextmanager
def open_chrome() -> Iterator[Chrome]:
    """Open a browser with a window of 1600x1000."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1600,1000"):
        options.add_argument(argument)
    chrome = Chrome(options, ChromeService("/usr/bin/chromedriver"))
    yield chrome
    chrome.quit()


def measure_paint(chrome: Chrome, page: FleetPage, count: int) -> None:
    """Print the time from a request until all tiles and the pictures on screen are painted."""
    source = PAINTED.replace("COUNT", str(count))
    chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    times = []
    for _ in range(TIMES):
        chrome.execute_cdp_cmd("Network.clearBrowserCache", {})
        chrome.get(page.url)
        times.append(wait_for(chrome, "return window.painted", bool) / 1000)
    say(f"request until painted, {TIMES} times: {min(times):.2f} to {max(times):.2f} s")


def measure_offline(
    chrome: Chrome, devices: list[SimulatedDevice], victim: "subprocess.Popen[str]"
) -> None:
    """Print the time from the end of a device until it is the first on screen."""
    times = []
    for number in range(TIMES):
        begun_s = time.monotonic()
        devices[7 * number].__exit__()
        wait_for(chrome, FIRST, f"pi-{7 * number:03}".__eq__)
        times.append(time.monotonic() - begun_s)
    say(f"offline until first on screen, {TIMES} times: {min(times):.2f} to {max(times):.2f} s")
    begun_s = time.monotonic()
    victim.kill()
    wait_for(chrome, FIRST, "victim".__eq__)
    say(f"killed until first on screen: {time.monotonic() - begun_s:.2f} s")


def wait_for(chrome: Chrome, script: str, holds: Callable[[Any], bool]) -> Any:
    """Wait until the result of a script holds; return it."""
    while not holds(result := chrome.execute_script(script)):
        time.sleep(0.005)
    return result


def measure_cost(
    page: FleetPage, devices: list[SimulatedDevice], seconds: float, title: str
) -> None:
    """Print CPU time and memory at rest, and while 20 devices change each second."""
    for changes in (False, True):
        pid = page.process.pid
        begun, begun_s = ProcessUsage.measure(pid), time.monotonic()
        number = 0
        while time.monotonic() - begun_s < seconds:
            if changes:
                devices[number % len(devices)].change(("fox", "hen")[number % 2], draw_jpeg(number))
                number += 1
            time.sleep(0.05)
        ended, took_s = ProcessUsage.measure(pid), time.monotonic() - begun_s
        share = (ended.cpu_s - begun.cpu_s) / took_s
        kind = f"{number / took_s:.0f} changes/s" if changes else "at rest"
        say(f"{title}, {kind}: {share:.1%} of a core, {ended.rss_mb:.0f} MB")


def print_log(broker: Mosquitto) -> None:
    """Print what the broker received from the fleet."""
    log = broker.file.with_suffix(".log").read_text("utf-8", "replace")
    kinds = Counter(re.findall(r"Received (\w+) from vedette-(?:fleet|visit)-[0-9a-f]{12}\b", log))
    wills = re.findall(r"as vedette-fleet-.*\n.*(No will message specified)", log)
    say(f"the broker received from the fleet: {dict(kinds)}; {', '.join(wills)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The page of a fleet")
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    main(arguments.devices, arguments.seconds)
