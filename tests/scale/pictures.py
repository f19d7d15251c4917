"""How time and memory grow with the number of pictures.

    .venv/bin/python tests/scale/pictures.py 10000 30000 100000

For each number it draws that many tiny pictures, no two alike, in a temporary folder, audits them,
trains the recipe on them for one epoch, and then the default, each in a process of its own. The
peaks include the pages of mapped files that happened to be in memory.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

CLASSES = 20  # four colours of five shapes
SIDE_PX = 48
COLOURS = ((40, 40, 220), (40, 200, 40), (220, 60, 40), (30, 200, 230))  # B, G, R

HEADER = "pictures  files s" + "".join(
    f"  {of:>7} s  a 1000  peak MB" for of in ("audit", "cnn", "lite0")
)
ROW = "{:8}  {:7.1f}" + 3 * "  {:9.1f}  {:6.2f}  {:7.0f}"


def main(counts: Sequence[int]) -> None:
    """Print a row of the table for each number of pictures."""
    print(HEADER, flush=True)  # noqa: T201  the table is what this is for
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(count, Path(folder))
        print(ROW.format(*row), flush=True)  # noqa: T201


def measure(count: int, folder: Path) -> tuple[float, ...]:
    """A row of the table."""
    began = time.monotonic()
    data = draw(count, folder / "data")
    drawn_s = time.monotonic() - began
    # Each with a store of its own: both prepare the pictures.
    audit_s, audit_mb = run(
        "audit", data, "--size", "32", "--store", folder / "a", "--out", folder / "audit.json"
    )
    recipe = ("--architecture", "cnn", "--size", "32", "--epochs", "1")
    cnn_s, cnn_mb = run("fit", data, *recipe, "--store", folder / "b", "--out", folder / "r")
    small = ("--size", str(SIDE_PX))
    lite0_s, lite0_mb = run("fit", data, *small, "--store", folder / "c", "--out", folder / "s")
    row: list[float] = [count, drawn_s]
    for seconds, mb in ((audit_s, audit_mb), (cnn_s, cnn_mb), (lite0_s, lite0_mb)):
        row += [seconds, seconds / (count / 1000), mb]
    return tuple(row)


def draw(count: int, folder: Path) -> Path:
    """Draw pictures of shapes, the classes taking turns."""
    for label in range(CLASSES):
        (folder / f"shape{label:02}").mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for _ in workers.map(lambda number: draw_one(number, folder), range(count)):
            pass
    return folder


def draw_one(number: int, folder: Path) -> None:
    """A shape of its class's form and colour, anywhere, on a background of its own."""
    random, label = np.random.default_rng(number), number % CLASSES
    patches = random.integers(0, 200, (5, 5, 3), np.uint8)
    picture = cv2.resize(patches, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    x, y, radius = (int(place) for place in random.integers((14, 14, 7), (34, 34, 14)))
    angles = np.arange(label // len(COLOURS) + 3) / (label // len(COLOURS) + 3) + random.random()
    corners = radius * np.exp(2j * np.pi * angles)
    points = np.stack([x + corners.real, y + corners.imag], axis=1).astype(np.int32)
    cv2.fillPoly(picture, [points], COLOURS[label % len(COLOURS)])
    noisy = cv2.add(picture, random.integers(0, 40, picture.shape, np.uint8))
    cv2.imwrite(str(folder / f"shape{label:02}" / f"{number:06}.jpg"), noisy)


def run(*arguments: str | Path) -> tuple[float, float]:
    """Run vedette-train: seconds, and peak memory in MB. Raises CalledProcessError."""
    began = time.monotonic()
    command = [sys.executable, "-m", "vedette_train", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return time.monotonic() - began, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [1000])
