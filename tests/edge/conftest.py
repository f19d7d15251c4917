"""Fixtures of the edge's tests: a real model, and images that are identical on every machine."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.edge.dask_cluster import cluster  # noqa: F401
from tests.edge.mosquitto import broker, certificate, login, start_broker  # noqa: F401

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraEvent, EventKind
from vedette_edge.model import model_file

Picture = NDArray[np.uint8]
WriteConfig = Callable[[str], Path]
SYSTEM_PYTHON = "/usr/bin/python3"  # has GStreamer's, if anybody
STAND_INS = Path(__file__).parent / "stand_ins"

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


@pytest.fixture(scope="session")
def model() -> Path:
    """A real model: is a picture mostly red, green or blue? See tests/make_colours.py."""
    return Path(__file__).parent / "colours.tflite"


@pytest.fixture(scope="session")
def shares() -> Path:
    """A real model whose scores for a black picture are no numbers: it divides by the light."""
    return Path(__file__).parent / "shares.tflite"


@pytest.fixture(scope="session")
def contract(model: Path) -> Contract:
    contract = model_file.read_model_file(model).contract
    assert contract
    return contract


@pytest.fixture
def repacked(model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Creates a model file of the same graph with other members in its zip."""

    def repack(contract: str, labels: str = "red\ngreen\nblue\n") -> Path:
        file = model_file.read_model_file(model)
        graph = file.data[: file.graph_bytes]
        data = io.BytesIO(graph)
        members = {"contract.json": contract.encode(), "labels.txt": labels.encode()}
        with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            archive.writestr("SHA256SUMS", model_file.format_checksums(graph, members))
        path = tmp_path / "repacked.tflite"
        path.write_bytes(data.getvalue())
        return path

    return repack


@pytest.fixture(scope="session")
def drawn() -> Callable[[int, int], Picture]:
    """Draws a picture of a height and a width with large and small detail, by integers alone."""

    def draw(height: int, width: int) -> Picture:
        rows, columns = np.mgrid[0:height, 0:width].astype(np.uint32)
        waves = (rows * columns // 7) ^ (columns * 3)
        noise = (rows * np.uint32(2654435761) ^ columns * np.uint32(2246822519)) >> 16
        channels = (rows * 255 // height + noise % 32, waves, columns * 255 // width ^ noise % 64)
        return np.dstack([channel & 255 for channel in channels]).astype(np.uint8)

    return draw


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one photo of each colour, in three formats."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour_bgr in (
        ("a-red.jpg", (0, 0, 220)),
        ("b-green.png", (0, 220, 0)),
        ("c-blue.webp", (220, 0, 0)),
    ):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), colour_bgr, np.uint8))
    return folder


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Writes a configuration file, again and again to the same place."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


class Run:
    """A watch through the stand-in for a USB camera, unless its flags name another."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.folder, self.log = folder, folder / "logs" / "watch.jsonl"
        self._model, self._out, self.err = model, folder / "out", folder / "err"
        path = os.pathsep.join(filter(None, [str(STAND_INS), os.environ.get("PYTHONPATH", "")]))
        self.environment = {"STAND_INS": str(folder), "PYTHONPATH": path}

    def show(self, what: str) -> None:
        """Set what the camera shows from its next frame on."""
        self.control("camera", what)

    def control(self, name: str, what: str) -> None:
        """Set a control of the stand-ins."""
        (self.folder / "new").write_text(what, "utf-8")
        (self.folder / "new").replace(self.folder / name)

    def start(self, *flags: str, camera: str = "/dev/video0") -> None:
        command = [sys.executable, "-m", "vedette_edge", "run", str(self._model), "--json"]
        arguments = ["--camera", camera, "--log", str(self.log), "--smoothing", "0", *flags]
        with self._out.open("wb") as out, self.err.open("wb") as err:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=out, stderr=err, env=environment
            )

    def records(self, *events: str) -> list[dict[str, Any]]:
        """Read the records on its output so far, of these events or of all."""
        whole = self._out.read_text("utf-8").rpartition("\n")[0].splitlines()
        return [one for one in map(json.loads, whole) if not events or one["event"] in events]

    def wait(self, event: str, times: int = 1, timeout_s: float = 60) -> dict[str, Any]:
        """Wait for the given number of records of an event; return the last."""
        self.wait_until(lambda: len(self.records(event)) >= times, timeout_s)
        return self.records(event)[-1]

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        limit_s = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self.err.read_text("utf-8")
            assert time.monotonic() < limit_s, self.records()
            time.sleep(0.02)

    def list_capture_processes(self) -> list[int]:
        """List the capture processes of this watch, orphans included."""
        pids, mark = [], f"STAND_INS={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile
                if b"vedette_edge.capture.worker" not in (entry / "cmdline").read_bytes():
                    continue
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    pids.append(int(entry.name))
        return pids

    def end(self) -> None:
        """Send SIGTERM: the watch ends cleanly and leaves no process behind.

        `make endurance` measures the service's promise of 2 seconds.
        """
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(2 if os.environ.get("ENDURANCE") else 60)
        assert (code, self.list_capture_processes()) == (0, []), self.err.read_text("utf-8")

    def read_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Iterator[Run]:
    run = Run(model, tmp_path)
    run.show("red")
    yield run
    if not hasattr(run, "process"):  # the test was skipped before it started one
        return
    run.process.kill()
    run.process.wait()
    for left in run.list_capture_processes():
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


class EventLog:
    """Collects the events of a camera, and counts its looks."""

    def __init__(self) -> None:
        self.events: list[CameraEvent] = []
        self.looks = 0

    def add(self, event: CameraEvent) -> None:
        """Add an event; the camera calls this."""
        if event.kind == "looked":
            self.looks += 1
        else:
            self.events.append(event)

    def kinds(self) -> list[EventKind]:
        """List the kinds of all events."""
        return [event.kind for event in self.events]

    def details(self, kind: EventKind) -> list[str]:
        """List the details of the events of a kind."""
        return [event.detail for event in self.events if event.kind == kind]


@pytest.fixture
def event_log() -> EventLog:
    """An empty log of events."""
    return EventLog()


Serve = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an RTSP server on a port."""
    started: list[subprocess.Popen[str]] = []

    def start(port: int) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("rtsp_server.py")
        server = subprocess.Popen(
            [SYSTEM_PYTHON, str(script), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(server)
        assert server.stdout
        if server.stdout.readline() != "ready\n":
            pytest.skip("no RTSP server of GStreamer's; .ci/run names its packages")
        return server

    yield start
    for server in started:
        server.kill()
        server.communicate()
