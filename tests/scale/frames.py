"""What a watch holds after a million frames: memory, descriptors, threads.

    .venv/bin/python tests/scale/frames.py [FRAMES] [MODEL]

It runs `vedette run` on the synthetic camera at full speed, with a log, and looks at both of its
processes after the first hundredth and at the end. Their proportional memory (a page that several
processes share counts in parts) stands beside that of a bare interpreter with OpenCV loaded.
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
class Held:
    """What processes hold."""

    resident_mb: tuple[float, ...]  # of each
    proportional_mb: float  # of all together
    descriptors: int
    threads: int


def main(frames: int, model: Path) -> int:
    """Print what is held, and how it grew; gives 1 where that is too much."""
    bare_mb = bare()
    with tempfile.TemporaryDirectory() as folder, watch(model, Path(folder)) as process:
        beats = seen(process)
        print(HEAD, flush=True)  # noqa: T201  the table is what this is for
        begin_s = time.monotonic()
        early = at(frames // 100, beats, process.pid)
        late = at(frames, beats, process.pid)
        rate = frames / (time.monotonic() - begin_s)
    grown = [b - a for a, b in zip(early.resident_mb, late.resident_mb, strict=True)]
    above = late.proportional_mb - bare_mb
    print(f"grown: main {grown[0]:+.2f} MB, camera {grown[1]:+.2f} MB")  # noqa: T201
    print(f"bare interpreter with OpenCV: {bare_mb:.1f} MB; above it: {above:.1f} MB")  # noqa: T201
    print(f"{rate:.0f} frames/s")  # noqa: T201
    held = (early.descriptors, early.threads) == (late.descriptors, late.threads)
    return int(not (held and max(grown) < MOST_GROWN_MB and above <= MOST_ABOVE_MB))


def bare() -> float:
    """Proportional memory of Python with OpenCV, MB."""
    with subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        found = held([process.pid]).proportional_mb
        process.kill()
    return found


@contextmanager
def watch(model: Path, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A watch that tells of itself once a second."""
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "synthetic"]
    flags = ["--json", "--heartbeat", BEAT_S, "--log", str(folder / "watch.jsonl")]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def seen(process: "subprocess.Popen[str]") -> Iterator[int]:
    """Frames that were classified so far, again and again."""
    assert process.stdout
    for line in process.stdout:
        if (record := json.loads(line))["event"] == "heartbeat":
            yield int(record["frames"])
    raise SystemExit("the watch has ended")


def at(frames: int, beats: Iterator[int], watched: int) -> Held:
    """What is held once so many frames were seen."""
    count = next(count for count in beats if count >= frames)
    children = Path(f"/proc/{watched}/task/{watched}/children").read_text("ascii").split()
    found = held([watched, *map(int, children)])
    row = (*found.resident_mb, found.proportional_mb, found.descriptors, found.threads)
    print(ROW.format(count, *row), flush=True)  # noqa: T201
    return found


def held(processes: list[int]) -> Held:
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
    return Held(resident, sum(proportional), descriptors, threads)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(int(given[0]) if given else 1_000_000, Path(given[1]) if given[1:] else COLOURS))
