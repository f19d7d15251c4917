"""Real watches for measurements: `vedette run` on a drawn video whose label changes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.edge.mosquitto import wait_until
from tests.edge.video_files import write_video

from vedette_edge.capture.originals import Original, Originals
from vedette_edge.images.preprocessing import Image

COLOURS = Path(__file__).parents[1] / "edge" / "colours.tflite"
COLOURS_RGB = ((220, 0, 0), (0, 220, 0), (0, 0, 220))
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Still:
    """A camera that shows one picture: the originals of a Notifier."""

    image_rgb: Image

    def keep_originals(self, needed: Originals) -> None:
        """Do nothing: they are always there."""

    def copy_original(self) -> Original:
        """Copy the picture."""
        return Original(self.image_rgb.copy(), 1.0)


def say(line: str) -> None:
    """On the terminal, as it comes."""
    print(line, flush=True)  # noqa: T201  what it is for


def draw_video(folder: Path) -> Path:
    """Draw a video of 10 frames/s with half a second of each colour."""
    frames = [np.full((60, 80, 3), one, np.uint8) for one in COLOURS_RGB for _ in range(5)]
    return write_video(folder / "clip.avi", frames)


@contextmanager
def start_watches(
    folder: Path, configs: Sequence[str], prefix: Sequence[str] = ()
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start a watch with each configuration, and wait for their labels; kill them at the end.

    `prefix` is a command that runs a command.
    """
    video, logs = draw_video(folder), list[Path]()
    with ExitStack() as parts:
        watches = []
        for number, more in enumerate(configs):
            own = folder / f"{time.monotonic_ns()}-{number}"
            own.mkdir()
            (own / "config.toml").write_text(
                f'model = "{COLOURS}"\ncamera = "{video}"\nlive = true\nloop = true\n'
                f'smoothing = 0.0\ndwell = 0.0\nlog = "{own}/watch.jsonl"\n{more}'
            )
            watches.append(_start(own, prefix))
            parts.callback(_end, watches[-1])
            logs.append(own / "watch.jsonl")
        wait_until(lambda: all(map(_has_label, logs)), START_S)
        yield watches


def _start(own: Path, prefix: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [*prefix, sys.executable, "-m", "vedette_edge", "run", "--config"]
    return subprocess.Popen(
        [*command, str(own / "config.toml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"STATE_DIRECTORY": str(own)},
    )


def _end(watch: "subprocess.Popen[bytes]") -> None:
    watch.kill()
    watch.wait()


def _has_label(log: Path) -> bool:
    return log.exists() and b'"change"' in log.read_bytes()
