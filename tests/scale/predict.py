"""`vedette predict` on many pictures, beside a loop that is written by hand, and MediaPipe.

    .venv/bin/python -m tests.scale.predict model.tflite photos [--turns 5] [--repeat 10]

The commands take turns, so that a busy machine slows all of them. `--repeat` gives each picture so
many names. With `build/mediapipe`, which tests/convert makes, MediaPipe takes part.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.scale.watches import say

from vedette_edge.images.discovery import find_images

HERE = Path(__file__).parent
MEDIAPIPE = HERE.parents[1] / "build" / "mediapipe" / "bin" / "python"


class Usage(NamedTuple):
    """The cost of a process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def main(model: Path, photos: Path, turns: int, repeat: int) -> None:
    """Print the measurements."""
    with TemporaryDirectory() as name:
        folder = Path(name, "archive")
        files = link_files(find_images(photos), folder, repeat)
        listing = Path(name, "pictures.txt")
        listing.write_text("\n".join(map(str, files)), "utf-8")
        predict = [sys.executable, "-m", "vedette_edge", "predict", str(model), str(folder)]
        commands: dict[str, list[str]] = {
            "plain loop": [sys.executable, str(HERE / "plain_loop.py"), str(model), str(listing)],
            "predict --workers 1": [*predict, "--json", "--workers", "1"],
            "predict --workers 2": [*predict, "--json", "--workers", "2"],
        }
        if MEDIAPIPE.exists():
            script = str(HERE / "mediapipe_loop.py")
            commands["MediaPipe"] = [str(MEDIAPIPE), script, str(model), str(listing)]
        measured: dict[str, list[Usage]] = {title: [] for title in commands}
        for _ in range(turns):
            for title, command in commands.items():
                measured[title].append(measure(command, Path(name, "out.txt")))
    say(f"{len(files):,} pictures, {turns} turns")
    for title, usages in measured.items():
        report(title, usages, measured["plain loop"], len(files))


def link_files(pictures: Sequence[Path], folder: Path, repeat: int) -> list[Path]:
    """Link each picture so many times."""
    folder.mkdir()
    links = []
    for number in range(repeat * len(pictures)):
        picture = pictures[number % len(pictures)]
        link = folder / f"{number:07}{picture.suffix}"
        link.symlink_to(picture.absolute())
        links.append(link)
    return links


def measure(command: Sequence[str], out: Path) -> Usage:
    """Run a command. Its processes that end count, too."""
    begun_s = time.monotonic()
    with out.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 4), command
    cpu_s = usage.ru_utime + usage.ru_stime
    return Usage(time.monotonic() - begun_s, cpu_s, usage.ru_maxrss / 1024)


def report(title: str, usages: Sequence[Usage], plain: Sequence[Usage], count: int) -> None:
    """Print the medians of a command, and those of its ratios to the plain loop."""
    wall_s, cpu_s, peak_mb = (statistics.median(values) for values in zip(*usages, strict=True))
    pairs = list(zip(usages, plain, strict=True))
    wall = statistics.median(own.wall_s / loop.wall_s for own, loop in pairs)
    cpu = statistics.median(own.cpu_s / loop.cpu_s for own, loop in pairs)
    say(
        f"{title}: {wall_s:.2f} s ({1000 * wall_s / count:.1f} ms a picture), CPU {cpu_s:.2f} s, "
        f"at most {peak_mb:.0f} MB; of the plain loop: time {wall:.2f}, CPU {cpu:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="vedette predict on many pictures")
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.model, arguments.photos, arguments.turns, arguments.repeat)
