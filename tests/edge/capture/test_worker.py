"""The capture process: what it may cost, and what it says when that is not enough."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.edge.conftest import EventLog

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig

SENT_MB = 500  # of a picture that does not end
MOST_MB = 200


@pytest.fixture(params=["Content-Length: 2000000000\r\n", ""])
def endless_picture(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a camera that sends one picture, large or without end."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                with suppress(ConnectionError), server.accept()[0] as client:
                    client.recv(4096)
                    kind = "multipart/x-mixed-replace; boundary=part"
                    head = f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n--part\r\n"
                    head += f"Content-Type: image/jpeg\r\n{request.param}\r\n"
                    client.sendall(head.encode() + b"\xff\xd8\xff\xe0")
                    for _ in range(SENT_MB):
                        client.sendall(bytes(1 << 20))

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/video"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def configure(source: str, contract: Contract) -> CaptureConfig:
    return CaptureConfig(
        CameraConfig(source), Orientation(), contract, (WHOLE,), 0.0, 0.0, every_frame=False
    )


def read_peak_mb(pid: int) -> int:
    """Read the most memory that a process has had resident; 0 after its end."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text("ascii"))
        return int(found[1]) >> 10 if found else 0
    return 0


@pytest.fixture
def limits_hold() -> None:
    """Skip where an allocation beyond a limit succeeds, as in an emulator."""
    script = (
        "import resource as r; r.setrlimit(r.RLIMIT_DATA, (1 << 27, 1 << 27)); bytearray(1 << 29)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    if done.returncode == 0:
        pytest.skip("this kernel or emulator enforces no RLIMIT_DATA")


@pytest.mark.usefixtures("limits_hold")
def test_a_picture_without_end_costs_little_memory_and_the_camera_is_lost(
    endless_picture: str, contract: Contract, event_log: EventLog
) -> None:
    peaks = []
    with Supervisor(configure(endless_picture, contract), event_log.add) as supervisor:
        pid = supervisor.pid
        while "lost" not in event_log.kinds():
            supervisor.next_frame(0.02)
            peaks.append(read_peak_mb(pid))
    (reason,) = event_log.details("lost")
    assert "its pictures are not too large" in reason
    assert 0 < max(peaks) < MOST_MB


def test_the_kernel_kills_the_capture_process_before_all_others(
    contract: Contract, event_log: EventLog
) -> None:
    with Supervisor(configure("synthetic", contract), event_log.add) as supervisor:
        while not supervisor.next_frame(1.0):
            pass
        assert Path(f"/proc/{supervisor.pid}/oom_score_adj").read_text("ascii") == "500\n"


@pytest.mark.usefixtures("limits_hold")
@pytest.mark.parametrize(
    "allocation",
    ["bytearray(3 << 30)", "cv2.resize(np.zeros((9, 9), np.uint8), (1 << 16, 1 << 16))"],
)
def test_an_allocation_that_fails_is_a_loss_with_a_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contract: Contract,
    event_log: EventLog,
    allocation: str,
) -> None:
    stand_in = f"import cv2\nimport numpy as np\ncv2.VideoCapture = lambda *_: {allocation}\n"
    (tmp_path / "sitecustomize.py").write_text(stand_in, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with Supervisor(configure("rtsp://h/x", contract), event_log.add) as supervisor:
        while "lost" not in event_log.kinds():
            supervisor.next_frame(0.1)
    (reason,) = event_log.details("lost")
    assert reason.startswith("a picture needs more memory")
