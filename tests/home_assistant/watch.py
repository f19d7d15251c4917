"""A watch, run as a user runs it. A test draws what its camera sees, and a broker hears of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.edge.numbered_frames import HEIGHT, WIDTH, draw_frame
from tests.edge.vedette_command import call_vedette

from vedette_edge.mqtt.device import create_stable_id

ID = "door-pi"
STABLE_ID = f"vedette_{create_stable_id()}"
ROOT = f"vedette/{ID}"
DISCOVERY = f"homeassistant/device/vedette_{ID}/config"
LABELS = ("red", "green", "blue")  # of the model
DRAWN = f"-:raw:{WIDTH}x{HEIGHT}"
HALF = f"{HEIGHT // 2},{WIDTH // 2},{HEIGHT // 2}"
REGIONS = f'region = ["gate=0,{HALF}", "yard={WIDTH // 2},{HALF}"]'  # without the frame's number
PERIOD_S = 0.25  # from one frame to the next that shows the same
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame that the camera saw: its number, which it shows, its label, and when it was taken."""

    number: int
    label: str
    at: float  # seconds since the epoch


class Watch:
    """A watch that can be started again and again, with the same state and other settings."""

    def __init__(self, broker_port: int, model: Path, folder: Path) -> None:
        self._folder, self._config, self.log = folder, folder / "config.toml", folder / "log"
        self._common = (
            f'mqtt = "mqtt://127.0.0.1:{broker_port}"\nmqtt_id = "{ID}"\n'
            "live = true\nsmoothing = 0\ndwell = 0\n"
        )
        self._model, self._settings = model, ""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, settings: str = "", model: Path | None = None, camera: str = DRAWN) -> None:
        """Start a watch, unless one with these settings runs, after another one's end."""
        text = f'model = "{model or self._model}"\ncamera = "{camera}"\n{self._common}{settings}\n'
        if self._process and self._process.poll() is None and text == self._settings:
            return
        self.stop()
        self._config.write_text(text, "utf-8")
        self._settings = text
        command = [sys.executable, "-P", "-m", "vedette_edge", "run", "--config"]
        environment = os.environ | {"STATE_DIRECTORY": str(self._folder)}
        self._number, self._colours = 0, [0, 0]  # of the frame; of its halves
        self._written_s = 0.0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, self._config],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
            )
        self._thread = threading.Thread(target=self._draw, args=(self._process,), daemon=True)
        self._thread.start()
        self.started = time.time()

    def show(self, label: str, region: str = "") -> Shown:
        """Draw a frame with another label: in the whole frame, or in one of the regions."""
        colour = LABELS.index(label)
        with self._lock:
            for half, name in enumerate(("gate", "yard")):
                if region in ("", name):
                    self._colours[half] = colour
            assert self._process
            at = time.time()
            self._write(self._process)
            return Shown(self._number, label, at)

    def stop(self) -> None:
        """End the watch as a service manager does."""
        self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> float:
        """End the watch with a signal. Returns the time at which it was sent."""
        at = time.time()
        if process := self._process:
            self._process = None
            process.send_signal(number)
            process.wait(PATIENCE_S)
            self._thread.join(PATIENCE_S)
            assert process.stdin
            process.stdin.close()
        return at

    def kill_capture(self) -> None:
        """Kill the capture process, as a crash of a camera's driver does."""
        assert self._process
        pid = self._process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
        os.kill(int(child), signal.SIGKILL)

    def remove(self) -> None:
        """Remove the device, which has stopped, from the broker."""
        result = call_vedette("mqtt", "remove", "--config", self._config)
        assert result.exit_code == 0, result.output

    def _draw(self, process: subprocess.Popen[bytes]) -> None:
        """Draw a frame again and again, until the watch has ended."""
        with suppress(BrokenPipeError):
            while process.poll() is None:
                with self._lock:
                    if time.monotonic() - self._written_s > PERIOD_S:
                        self._write(process)
                time.sleep(PERIOD_S / 10)

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        self._number += 1
        left, right = self._colours
        frame_rgb = draw_frame(self._number, left)
        frame_rgb[:, WIDTH // 2 :] = draw_frame(self._number, right)[:, WIDTH // 2 :]
        process.stdin.write(frame_rgb.tobytes())
        self._written_s = time.monotonic()
