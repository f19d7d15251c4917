"""The live page: how soon it shows a frame, how old that is, and what viewers cost the watch.

    .venv/bin/python -m tests.scale.page model.tflite [--size 640x480] [--kills 100]

Windows with and without viewers follow each other in turn, so that a busy machine slows both. What
a page and its viewers cost the processor's caches is not the watch's: the same is measured while
they look at another watch, which is there all the time.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.edge.mosquitto import find_free_port
from tests.edge.page.conftest import Page, start_page
from tests.edge.web.test_server import is_listening, start_by_systemd
from tests.scale.fleet import open_chrome, wait_for
from tests.scale.watches import say

from vedette_edge.benchmark.recorder import ProcessUsage
from vedette_edge.live.client import LiveClient

TURNS, SECONDS, SETTLE_S = 12, 4.0, 1.0
VIEWERS = 8
SHOWN = "const it = document.querySelector('#picture'); return it.complete && it.naturalWidth"
LISTEN = """
window.ages = [];
const picture = new Image();
new EventSource('/events?pictures=1').addEventListener('view', (event) => {
  const view = JSON.parse(event.data);
  picture.src = view.picture;
  picture.decode().then(() => requestAnimationFrame(
    () => window.ages.push(Date.now() - Date.parse(view.time))));
});
"""


def main(model: str, size: str, kills: int) -> None:
    """Print the measurements."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "watch.sock")
        with run_watch(model, f"synthetic:{size}@30", path) as watch:
            measure_starts(path)
            measure_kills(watch, path, kills)
        measure_costs(model, size, Path(name))


def measure_costs(model: str, size: str, folder: Path) -> None:
    """Print what viewers cost a watch at 30 frames a second, and at full speed."""
    other, path = folder / "other.sock", folder / "watch.sock"
    camera = f"synthetic:{size}@30"
    with run_watch(model, camera, other), run_watch(model, camera, path) as watch:
        measure_cost(watch, path, f"{size}, 30 frames/s", other)
    with run_watch(model, f"synthetic:{size}", path) as watch:
        measure_cost(watch, path, f"{size}, full speed")


@contextmanager
def run_watch(model: str, camera: str, path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a watch, and keep its records in a log beside its socket."""
    command = [sys.executable, "-m", "vedette_edge", "run", model, "--camera", camera]
    places = ["--socket", str(path), "--log", str(path.with_suffix(".jsonl")), "--threads", "1"]
    with subprocess.Popen([*command, *places], stdout=subprocess.DEVNULL) as watch:
        while not path.exists():
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        yield watch
        watch.terminate()


def measure_starts(path: Path) -> None:
    """Print the times from the first request, which starts the page, and the age of a frame."""
    bytes_s, frames_s = [], []
    for _ in range(3):
        with activate(path) as page:
            begun_s = time.monotonic()
            page.get("/healthz")
            bytes_s.append(time.monotonic() - begun_s)
    for _ in range(3):
        with activate(path) as page, open_chrome() as chrome:
            begun_s = time.monotonic()
            chrome.get(f"http://127.0.0.1:{page.port}/")
            wait_for(chrome, SHOWN, bool)
            frames_s.append(time.monotonic() - begun_s)
            chrome.execute_script(LISTEN)
            time.sleep(SECONDS)
            ages = sorted(chrome.execute_script("return window.ages"))
    say(f"first byte after {format_range(bytes_s)} s, first frame {format_range(frames_s)} s")
    middle, late = ages[len(ages) // 2], ages[int(0.95 * len(ages))]
    say(f"age of a frame when painted: median {middle}, p95 {late}, at most {ages[-1]} ms")


@contextmanager
def activate(path: Path) -> Iterator[Page]:
    """A page that systemd starts at the first request."""
    port = find_free_port()
    with start_by_systemd(f"127.0.0.1:{port}", path) as process:
        while not is_listening(port):
            time.sleep(0.01)
        yield Page(port, process.pid)


def measure_cost(
    watch: "subprocess.Popen[bytes]", path: Path, title: str, other: Path | None = None
) -> None:
    """Print the rate and the CPU time a frame without viewers, and with some, here or elsewhere."""
    measured: dict[str, list[Window]] = {}
    with ExitStack() as pages, LiveClient(path) as client:
        places = {"here": path} | ({"at another watch": other} if other else {})
        looks = {
            name: pages.enter_context(start_page("--socket", place))
            for name, place in places.items()
        }
        for _ in range(TURNS):
            for name, page in {"nowhere": None, **looks}.items():
                with look(page, VIEWERS) if page else nullcontext():
                    measured.setdefault(name, []).append(measure_window(watch, client))
    for name, windows in measured.items():
        rates, costs = zip(*windows, strict=True)
        say(f"{title}, {VIEWERS} viewers {name}: {format_range(rates)} frames/s, "
            f"{format_range(costs)} ms of CPU a frame")  # fmt: skip
    here = measured.pop("here")
    for name, windows in measured.items():
        pairs = [*zip(windows, here, strict=True)]
        rate = statistics.median(late.rate / early.rate - 1 for early, late in pairs)
        cost = statistics.median(late.cost_ms / early.cost_ms - 1 for early, late in pairs)
        say(f"{title}, here against {name}, median of {TURNS} pairs: "
            f"rate {rate:+.1%}, CPU a frame {cost:+.1%}")  # fmt: skip


class Window(NamedTuple):
    """A measurement of some seconds."""

    rate: float  # frames a second
    cost_ms: float  # of CPU a frame


def measure_window(watch: "subprocess.Popen[bytes]", client: LiveClient) -> Window:
    """Measure a watch for some seconds."""
    time.sleep(SETTLE_S)
    begun, begun_s = measure(watch, client), time.monotonic()
    time.sleep(SECONDS)
    ended, took_s = measure(watch, client), time.monotonic() - begun_s
    frames, cpu_s = ended[0] - begun[0], ended[1] - begun[1]
    return Window(frames / took_s, 1000 * cpu_s / frames)


def measure(watch: "subprocess.Popen[bytes]", client: LiveClient) -> tuple[int, float]:
    """Frames that were classified so far, and CPU seconds of all processes of a watch."""
    client.request(["metrics"])
    frames: Any = client.read().header["frames"]
    children = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text().split()
    used = sum(ProcessUsage.measure(pid).cpu_s for pid in (watch.pid, *map(int, children)))
    return int(frames["classified"]), used


@contextmanager
def look(page: Page, viewers: int) -> Iterator[None]:
    """Have viewers that read everything while the context lasts."""
    ended = threading.Event()

    def read() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # viewers are elsewhere
        with page.open("/events?pictures=1") as answer:
            while not ended.is_set():
                answer.read1(1 << 16)

    threads = [threading.Thread(target=read) for _ in range(viewers)]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()


def measure_kills(watch: "subprocess.Popen[bytes]", path: Path, kills: int) -> None:
    """Print what the watch lost while its page was killed again and again."""
    with LiveClient(path) as client:
        client.request(["metrics"])
        before: Any = client.read().header["frames"]
        for _ in range(kills):
            with start_page("--socket", path) as page, ExitStack() as viewers:
                with suppress(ConnectionError):
                    for _ in range(3):
                        viewers.enter_context(page.open("/stream.mjpg"))
                os.kill(page.pid, signal.SIGKILL)
        client.request(["metrics"])
        after: Any = client.read().header["frames"]
    classified = after["classified"] - before["classified"]
    dropped = after["dropped"] - before["dropped"]
    say(f"page killed {kills} times: {dropped} of {classified + dropped} frames dropped")
    log = path.with_suffix(".jsonl").read_text("utf-8").splitlines()
    say(f"log: {len([*map(json.loads, log)])} records, none damaged; watch: {watch.poll()}")


def format_range(values: Any) -> str:
    """Format the smallest and the largest value."""
    return f"{min(values):.2f} to {max(values):.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The live page")
    parser.add_argument("model")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--kills", type=int, default=100)
    arguments = parser.parse_args()
    main(arguments.model, arguments.size, arguments.kills)
