"""The CPU time of a watch at 30 frames a second, compared with resize and invoke alone.

    .venv/bin/python tests/scale/cpu.py model.tflite

Both run in turn, so that a busy machine slows both. The watch is a usual `vedette run` with a log;
the other does nothing but resize and invoke, in one process, at the same rate.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vedette_edge import Classifier
from vedette_edge.benchmark.baseline import measure_cpu_ms
from vedette_edge.benchmark.recorder import ProcessUsage
from vedette_edge.cameras import synthetic
from vedette_edge.images import test_pattern

TURNS, SECONDS, SETTLE_S = 5, 10.0, 5.0
FPS, HEIGHT, WIDTH = 30.0, 480, 640


def main() -> None:
    """Print CPU time a frame of each turn, and the ratio of the medians."""
    model = sys.argv[1]
    classifier = Classifier(model, threads=1)
    frames_rgb = [
        test_pattern.draw_test_pattern(number, HEIGHT, WIDTH) for number in range(synthetic.DRAWN)
    ]
    watched, alone = [], []
    for turn in range(TURNS):
        watched.append(watch_ms(model))
        alone.append(measure_cpu_ms(classifier, frames_rgb, FPS, SECONDS))
        say(f"turn {turn + 1}: the watch {watched[-1]:.2f} ms a frame, alone {alone[-1]:.2f} ms")
    ratio = statistics.median(watched) / statistics.median(alone)
    say(f"medians: the watch {ratio:.0%} of resize and invoke alone, {FPS:.0f} frames/s")


def say(line: str) -> None:
    """On the terminal, as it comes."""
    print(line, flush=True)  # noqa: T201  what it is for


def watch_ms(model: str) -> float:
    """CPU time a frame of both processes of a watch, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "vedette_edge", "run", model, "--threads", "1"]
        camera = f"synthetic:{WIDTH}x{HEIGHT}@{FPS:.0f}"
        with subprocess.Popen(
            [*command, "--camera", camera, "--log", f"{folder}/watch.jsonl"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                time.sleep(SETTLE_S)
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
                pids = [process.pid, *map(int, children.read_text().split())]
                begun_s = sum(ProcessUsage.measure(pid).cpu_s for pid in pids)
                time.sleep(SECONDS)
                return (
                    1000
                    * (sum(ProcessUsage.measure(pid).cpu_s for pid in pids) - begun_s)
                    / (SECONDS * FPS)
                )
            finally:
                process.terminate()


if __name__ == "__main__":
    main()
