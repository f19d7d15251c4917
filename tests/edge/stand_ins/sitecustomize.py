"""What a test holds in its hand while a watch runs: a USB camera, the clock, and where it sticks.

Python imports it by its name in every process that finds it in PYTHONPATH, before all else. The
files of a folder, $STAND_INS, are the controls:

    camera      is the device; what it holds is what the camera shows, see SHOWN
    clock       seconds that the clock is off
    stuck       a function that does not return, such as `model.self_test.replay_samples`; `reached`
                appears then
"""

import ctypes
import importlib
import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np

FOLDER = Path(os.environ["STAND_INS"])
SIZES = ((480, 640), (7, 5), (1, 1), (1080, 1920), (1, 3000))


def plain(colour_bgr: tuple[int, int, int], size: tuple[int, int] = (480, 640)) -> Any:
    return np.full((*size, 3), colour_bgr, np.uint8)


def sleep_on() -> NoReturn:
    while True:
        time.sleep(3600)


numbers = count()
SHOWN: dict[str, Callable[[], Any]] = {
    "red": lambda: plain((0, 0, 200)),
    "green": lambda: plain((0, 200, 0)),
    "blue": lambda: plain((200, 0, 0)),
    "sizes": lambda: plain((0, 0, 200), SIZES[next(numbers) % len(SIZES)]),
    "huge": lambda: plain((0, 0, 200), (3000, 4000)),
    "0x0": lambda: plain((0, 0, 0), (0, 0)),
    "grey": lambda: np.zeros((480, 640), np.uint8),
    "float": lambda: np.zeros((480, 640, 3)),
    "nothing": lambda: None,
    "blocks": sleep_on,
    # A driver in C that never comes back, and lets no other Python run meanwhile.
    "holds all": lambda: ctypes.PyDLL(None).sleep(3600),
}


class Capture:
    """cv2.VideoCapture on a webcam of 30 frames/s."""

    def __init__(self, name: str, backend: int) -> None:
        self._shown = (FOLDER / "camera").read_text("utf-8")
        if self._shown == "does not open":
            sleep_on()

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
        picture_bgr = SHOWN[self._shown]()
        return picture_bgr is not None, picture_bgr

    def release(self) -> None: ...


def stick(*_: object, **__: object) -> NoReturn:
    (FOLDER / "reached").touch()
    sleep_on()


def put_in() -> None:
    """All stand-ins that have a control."""
    if (FOLDER / "clock").exists():
        right = time.time
        time.time = lambda: right() + float((FOLDER / "clock").read_text("utf-8"))
    if os.environ.get("SILENCE_S"):
        for name in ("SILENCE_S", "FIRST_SILENCE_S"):
            put("capture.supervisor", name, float(os.environ["SILENCE_S"]))
    if (FOLDER / "stuck").exists():
        module, _, name = (FOLDER / "stuck").read_text("utf-8").rpartition(".")
        put(module, name, stick)
    put("cameras.v4l2", "_device", lambda _: str(FOLDER / "camera"))
    cv2.VideoCapture = Capture  # type: ignore[assignment, misc]


def put(module: str, name: str, what: object) -> None:
    setattr(importlib.import_module(f"vedette_edge.{module}"), name, what)


put_in()
