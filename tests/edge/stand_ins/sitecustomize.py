"""Stand-ins that a test controls while a watch runs: a USB camera, the clock, and a function.

Python imports this module by its name, first of all, in every process that has it in PYTHONPATH.
The files in the folder $STAND_INS are the controls:

    camera      the device; its content names what the camera shows, see SHOWN
    clock       offset of the clock, in seconds
    stuck       a function that hangs, such as `model.self_test.replay_samples`; when it is called,
                the file `reached` appears
    busy        the same for a function that calls OpenCV without end

$SILENCE_S sets both time limits for silence of the supervisor.
"""

import ctypes
import importlib
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np

from vedette_edge.capture.supervisor import Timeouts

FOLDER = Path(os.environ["STAND_INS"])
SIZES = ((480, 640), (7, 5), (1, 1), (1080, 1920), (1, 3000))


def fill(colour_bgr: tuple[int, int, int], size: tuple[int, int] = (480, 640)) -> Any:
    return np.full((*size, 3), colour_bgr, np.uint8)


def sleep_for_ever() -> NoReturn:
    while True:
        time.sleep(3600)


numbers = count()
SHOWN: dict[str, Callable[[], Any]] = {
    "red": lambda: fill((0, 0, 200)),
    "green": lambda: fill((0, 200, 0)),
    "blue": lambda: fill((200, 0, 0)),
    "sizes": lambda: fill((0, 0, 200), SIZES[next(numbers) % len(SIZES)]),
    "huge": lambda: fill((0, 0, 200), (3000, 4000)),
    "0x0": lambda: fill((0, 0, 0), (0, 0)),
    "grey": lambda: np.zeros((480, 640), np.uint8),
    "float": lambda: np.zeros((480, 640, 3)),
    "nothing": lambda: None,
    "blocks": sleep_for_ever,
    # A driver in C that never comes back, and lets no other Python run meanwhile.
    "holds all": lambda: ctypes.PyDLL(None).sleep(3600),
}


class Capture:
    """cv2.VideoCapture on a webcam of 30 frames/s."""

    def __init__(self, name: str, backend: int) -> None:
        self._shown = (FOLDER / "camera").read_text("utf-8")
        if self._shown == "does not open":
            sleep_for_ever()

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def set(self, prop: int, value: float) -> bool:
        return True

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}.get(prop, 0.0)

    def read(self) -> tuple[bool, Any]:
        time.sleep(1 / 30)
        try:
            self._shown = (FOLDER / "camera").read_text("utf-8")
        except FileNotFoundError:
            return False, None
        image_bgr = SHOWN[self._shown]()
        return image_bgr is not None, image_bgr

    def release(self) -> None: ...


def hang(*_: object, **__: object) -> NoReturn:
    (FOLDER / "reached").touch()
    sleep_for_ever()


def stay_busy(*_: object, **__: object) -> NoReturn:
    (FOLDER / "reached").touch()
    picture = fill((0, 0, 200))
    while True:
        cv2.GaussianBlur(picture, (5, 5), 0)


def install() -> None:
    """Install all stand-ins that have a control."""
    if (FOLDER / "clock").exists():
        right = time.time
        time.time = lambda: right() + float((FOLDER / "clock").read_text("utf-8"))
    if os.environ.get("SILENCE_S"):
        silence_s = float(os.environ["SILENCE_S"])
        quick = partial(Timeouts, silence_s=silence_s, first_silence_s=silence_s)
        replace("capture.supervisor", "Timeouts", quick)
    for control, stand_in in (("stuck", hang), ("busy", stay_busy)):
        if (FOLDER / control).exists():
            module, _, name = (FOLDER / control).read_text("utf-8").rpartition(".")
            replace(module, name, stand_in)
    replace("cameras.v4l2", "find_device", lambda _: str(FOLDER / "camera"))
    cv2.VideoCapture = Capture  # type: ignore[assignment, misc]


def replace(module: str, name: str, value: object) -> None:
    setattr(importlib.import_module(f"vedette_edge.{module}"), name, value)


install()
