"""The resources of a watch after a million frames: memory, descriptors, threads.

    .venv/bin/python tests/scale/frames.py [FRAMES] [MODEL]

It runs `vedette run` on the synthetic camera at full speed, with a log, and measures both of its
processes after the first hundredth and at the end. It compares their proportional memory (a page
that several processes share counts in parts) with that of a bare interpreter with OpenCV loaded.
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COLOURS = Path(__file__).parents[1] / "edge" / "colours.tflite"
BARE = "import cv2, time; print(flush=True); time.sleep(60)"
BEAT_S = "1"
MOST_GROWN_MB, MOST_ABOVE_MB = 2.0, 80.0
HEAD = "frames     main MB  camera MB  proportional MB  descriptors  threads"
ROW = "{:9,}  {:7.1f}  {:9.1f}  {:15.1f}  {:11}  {:7}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of some processes."""

    resident_mb: tuple[float, ...]  # of each
    proportional_mb: float  # of all together
    descriptors: int
    threads: int


def main(frames: int, model: Path) -> int:
    """Print the resources and their growth; return 1 if that is too much."""
    bare_mb = measure_bare()
    with tempfile.TemporaryDirectory() as folder, watch(model, Path(folder)) as process:
        beats = read_counts(process)
        print(HEAD, flush=True)  # noqa: T201  the table is what this is for
        begin_s = time.monotonic()
        early = measure_at(frames // 100, beats, process.pid)
        late = measure_at(frames, beats, process.pid)
        rate = frames / (time.monotonic() - begin_s)
    grown = [b - a for a, b in zip(early.resident_mb, late.resident_mb, strict=True)]
    above = late.proportional_mb - bare_mb
    print(f"grown: main {grown[0]:+.2f} MB, camera {grown[1]:+.2f} MB")  # noqa: T201
    print(f"bare interpreter with OpenCV: {bare_mb:.1f} MB; above it: {above:.1f} MB")  # noqa: T201
    print(f"{rate:.0f} frames/s")  # noqa: T201
    held = (early.descriptors, early.threads) == (late.descriptors, late.threads)
    return int(not (held and max(grown) < MOST_GROWN_MB and above <= MOST_ABOVE_MB))


def measure_bare() -> float:
    """Measure the proportional memory of Python with OpenCV, in MB."""
    with subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        bare_mb = measure([process.pid]).proportional_mb
        process.kill()
    return bare_mb


@contextmanager
def watch(model: Path, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a watch with a heartbeat once a second."""
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "synthetic"]
    flags = ["--json", "--heartbeat", BEAT_S, "--log", str(folder / "watch.jsonl")]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def read_counts(process: "subprocess.Popen[str]") -> Iterator[int]:
    """Read the number of classified frames from each heartbeat."""
    assert process.stdout
    for line in process.stdout:
        if (record := json.loads(line))["event"] == "heartbeat":
            yield int(record["frames"])
    raise SystemExit("the watch has ended")


def measure_at(frames: int, beats: Iterator[int], watched: int) -> Resources:
    """Measure once so many frames were classified."""
    count = next(count for count in beats if count >= frames)
    children = Path(f"/proc/{watched}/task/{watched}/children").read_text("ascii").split()
    resources = measure([watched, *map(int, children)])
    memory = (*resources.resident_mb, resources.proportional_mb)
    row = (*memory, resources.descriptors, resources.threads)
    print(ROW.format(count, *row), flush=True)  # noqa: T201
    return resources


def measure(processes: list[int]) -> Resources:
    """Measure some processes."""
    rolled = [Path(f"/proc/{pid}/smaps_rollup").read_text("ascii") for pid in processes]
    resident, proportional = (
        tuple(
            int(number) / 1024
            for text in rolled
            for number in re.findall(rf"^{name}:\s+(\d+)", text, re.M)
        )
        for name in ("Rss", "Pss")
    )
    descriptors, threads = (
        sum(len(list(Path(f"/proc/{pid}", kind).iterdir())) for pid in processes)
        for kind in ("fd", "task")
    )
    return Resources(resident, sum(proportional), descriptors, threads)


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("1_000_000", str(COLOURS))[len(sys.argv) - 1 :]]
    sys.exit(main(int(arguments[0]), Path(arguments[1])))
