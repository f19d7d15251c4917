"""What all outputs together cost a watch, and what the extra for MQTT takes of memory and disk.

    .venv/bin/python -m tests.scale.outputs model.tflite [--turns 5] [--seconds 10] [--shown 2]

Watches with and without outputs run in turn, so that a busy machine slows both: at full speed for
their rate, and at 30 frames/s for their CPU time a frame, with one thread. The camera is the
synthetic one, but it shows the model's own samples, each for some seconds, so that the label
changes. The outputs are a mosquitto, a webhook, snapshots, and a rule with a cooldown of 10 s.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from tests.edge.mosquitto import Mosquitto, wait_until
from tests.edge.sinks.webhook_servers import receive
from tests.scale.watches import say

from vedette_edge.benchmark.recorder import ProcessUsage

FPS, SETTLE_S = 30, 3.0
SIZES = ("640x480", "1920x1080")
VARIANTS = ("none", "all")
MOST_COST, MOST_DISK_MB = 0.03, 8.0
MEMORY_S, MEMORY_TURNS = 10.0, 3
CAMERA = """
import os, time, zipfile
from itertools import count
import cv2
import numpy as np
from vedette_edge.cameras import synthetic

def draw_frames(height, width, rate, source):
    limiter = synthetic.RateLimiter(rate)
    with zipfile.ZipFile(os.environ["SHOWN"]) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpeg")]
        files = [np.frombuffer(archive.read(name), np.uint8) for name in names]
    images = [cv2.resize(cv2.imdecode(one, cv2.IMREAD_COLOR), (width, height)) for one in files]
    images = [np.ascontiguousarray(one[..., ::-1]) for one in images]
    for one in images:
        one.setflags(write=False)
    for number in count(1):
        begin = time.perf_counter()
        limiter.wait()
        capture_ms = 1000 * (time.perf_counter() - begin)
        shown = images[int(time.monotonic() / float(os.environ["SHOWN_S"])) % len(images)]
        yield synthetic.Frame(number, shown, time.time(), capture_ms, source)

synthetic._draw_frames = draw_frames
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of the outputs, the folder of the measurement, and the time of each sample."""

    folder: Path
    broker: str
    webhook: str
    shown_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A watch for some seconds."""

    rate: float
    cpu_ms: float  # of both processes, a frame
    own_mb: float  # memory of both that is not shared
    changes: int


def main(model: Path, turns: int, seconds: float, shown_s: float) -> int:
    """Print each turn and the medians; return 1 if the outputs cost too much."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as name, ExitStack() as parts:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(CAMERA)
        broker = Mosquitto(folder, "persistence false")
        broker.start()
        parts.callback(broker.kill)
        hook = parts.enter_context(receive(200))
        address = f"mqtt://127.0.0.1:{broker.port}"
        servers = Servers(folder, address, f"{hook.address}/x", shown_s)
        for size in SIZES:
            for rate in (0, FPS):
                worst = max(worst, compare(model, servers, (size, rate, seconds), turns))
        measure_memory(model, servers)
    return int(worst >= MOST_COST or measure_disk() > MOST_DISK_MB)


def compare(model: Path, servers: Servers, camera: tuple[str, int, float], turns: int) -> float:
    """Compare watches with and without outputs; return the share that these cost."""
    size, rate, _ = camera
    measured: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for turn in range(turns):
        # Each variant is the first in every other turn.
        for variant in VARIANTS if turn % 2 else VARIANTS[::-1]:
            one = measure(model, servers, variant, camera)
            measured[variant].append(one.cpu_ms if rate else one.rate)
            say(
                f"{size} {rate or 'full speed'} turn {turn + 1} {variant:4}: {one.rate:.1f} "
                f"frames/s, {one.cpu_ms:.3f} ms a frame, {one.changes} changes, "
                f"load {os.getloadavg()[0]:.1f}"
            )
    none, everything = (statistics.median(measured[variant]) for variant in VARIANTS)
    cost = everything / none - 1 if rate else 1 - everything / none
    unit = "ms CPU a frame" if rate else "frames/s"
    say(f"{size}: {none:.3f} {unit} without outputs, {everything:.3f} with all: {cost:+.1%} cost")
    return cost


def measure(
    model: Path, servers: Servers, variant: str, camera: tuple[str, int, float]
) -> Measured:
    """Measure one watch."""
    size, rate, seconds = camera
    source = f"synthetic:{size}" + (f"@{rate}" if rate else "")
    with start(model, servers, variant, source) as (process, log):
        wait_until(lambda: log.exists() and b'"change"' in log.read_bytes())
        time.sleep(SETTLE_S)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        pids = [process.pid, *map(int, children.split())]
        begun = sum(ProcessUsage.measure(pid).cpu_s for pid in pids)
        time.sleep(seconds)
        cpu_s = sum(ProcessUsage.measure(pid).cpu_s for pid in pids) - begun
        own_mb = sum(map(measure_own_mb, pids))
        records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    beats = [one for one in records if one["event"] == "heartbeat"][-int(seconds) :]
    begin, end = (datetime.fromisoformat(beats[place]["time"]) for place in (0, -1))
    measured = (beats[-1]["frames"] - beats[0]["frames"]) / (end - begin).total_seconds()
    changes = sum(one["event"] == "change" for one in records)
    return Measured(measured, 1000 * cpu_s / seconds / measured, own_mb, changes)


@contextmanager
def start(
    model: Path, servers: Servers, variant: str, source: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Start a watch; end it afterwards."""
    own = servers.folder / str(time.monotonic_ns())
    own.mkdir()
    text = f'model = "{model}"\ncamera = "{source}"\nthreads = 1\nheartbeat = 1.0\n'
    text += f'log = "{own}/watch.jsonl"\n'
    if variant != "none":
        text += f'mqtt = "{servers.broker}"\nmqtt-id = "cost"\n'
    if variant == "all":
        text += f'snapshots = "{own}/snapshots"\n'
        text += f'[[on]]\ncooldown = 10\nsnapshot = true\nwebhook = "{servers.webhook}"\n'
    (own / "config.toml").write_text(text)
    path = f"{servers.folder}:{os.environ.get('PYTHONPATH', '')}"
    environment = {"PYTHONPATH": path, "SHOWN": str(model), "STATE_DIRECTORY": str(own)}
    environment["SHOWN_S"] = str(servers.shown_s)
    command = [sys.executable, "-m", "vedette_edge", "run", "--config", str(own / "config.toml")]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
    ) as process:
        try:
            yield process, own / "watch.jsonl"
        finally:
            process.terminate()


def measure_own_mb(pid: int) -> float:
    """Memory of a process that no other shares, in MB of 10^6 bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return sum(int(kb) for kb in re.findall(r"Private_\w+:\s+(\d+)", text)) * 1024 / 1e6


def measure_memory(model: Path, servers: Servers) -> None:
    """Print the memory of watches with MQTT alone, and with all outputs, above one without."""
    variants = ("none", "mqtt", "all")
    own_mb: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(MEMORY_TURNS):
        for variant in variants:
            one = measure(model, servers, variant, (SIZES[0], FPS, MEMORY_S))
            own_mb[variant].append(one.own_mb)
    none, mqtt, everything = (statistics.median(own_mb[variant]) for variant in variants)
    say(
        f"memory: {none:.1f} MB without outputs, {mqtt - none:+.1f} MB with MQTT and its "
        f"snapshots, {everything - none:+.1f} MB with all"
    )


def measure_disk() -> float:
    """Print and return the size of the packages of the extra, in MB."""
    files = metadata.files("paho-mqtt") or []
    size_mb = sum(Path(str(file.locate())).stat().st_size for file in files) / 1e6
    say(f"disk: {size_mb:.2f} MB")
    return size_mb


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What all outputs cost a watch")
    parser.add_argument("model", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--shown", type=float, default=2.0, help="seconds between two changes")
    arguments = parser.parse_args()
    model, turns = arguments.model.resolve(), arguments.turns
    sys.exit(main(model, turns, arguments.seconds, arguments.shown))
