"""Network cameras: a real RTSP server, and MJPEG over HTTP as cheap cameras send it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from tests.edge.conftest import Serve

from vedette_edge.cameras import CameraConfig, Frames, Reports, network_stream, open_frames
from vedette_edge.errors import CameraError

SECRET = "hunter2"


class Webcam(ThreadingHTTPServer):
    """Sends a part for each picture, with its own number as its grey, at a rate."""

    daemon_threads = True
    rate, most = 25.0, 10**9  # frames/s; how many before it falls silent
    hangs_up = False  # whether it then closes the connection
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Sender)
        self.going = threading.Event()
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://admin:{SECRET}@127.0.0.1:{self.server_port}/video?key={SECRET}"


class Sender(BaseHTTPRequestHandler):
    server: Webcam

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        with suppress(OSError):
            while self.server.status == 200 and self.server.sent < self.server.most:
                self.wfile.write(part(self.server.sent))
                self.server.sent += 1
                time.sleep(1 / self.server.rate)
            if not self.server.hangs_up:
                self.server.going.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def part(number: int) -> bytes:
    grey = np.full((48, 64, 3), 10 + number % 200, np.uint8)
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


@pytest.fixture
def webcam() -> Iterator[Webcam]:
    with Webcam() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.going.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_stream, "READ_TIMEOUT_MS", 1500)


def told() -> tuple[Reports, list[str]]:
    lines: list[str] = []
    return Reports(pytest.fail, lines.append), lines


def test_mjpeg_over_http_is_a_stream(webcam: Webcam) -> None:
    reports, lines = told()
    frames = open_frames(CameraConfig(webcam.address), reports)
    seen = [next(frames) for _ in range(10)]
    assert len(lines) == 1
    assert lines[0].startswith("64x48 ")
    numbers = [frame.number for frame in seen]
    assert numbers == sorted(set(numbers))
    assert {frame.picture_rgb.shape for frame in seen} == {(48, 64, 3)}
    frames.close()


def test_who_comes_back_to_a_stream_sees_the_newest_frame(webcam: Webcam) -> None:
    frames = open_frames(CameraConfig(webcam.address), told()[0])
    before = next(frames)
    time.sleep(1.5)
    after = next(frames)
    shown = int(after.picture_rgb.mean()) - 10
    assert webcam.sent - shown <= 12  # of more than 35 that had piled up
    assert after.number - before.number > 12
    frames.close()


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_stream_that_breaks_off_or_falls_silent_is_an_error_soon(
    webcam: Webcam, hangs_up: bool
) -> None:
    webcam.hangs_up, webcam.most = hangs_up, 40
    frames, begin = open_frames(CameraConfig(webcam.address), told()[0]), time.monotonic()
    with pytest.raises(CameraError, match="the stream broke off after"):
        for _ in frames:
            pass
    assert time.monotonic() - begin < 20  # a time-out is a promise; this is far beyond it


def test_nothing_that_is_told_holds_user_password_or_query(
    webcam: Webcam, capfd: pytest.CaptureFixture[str]
) -> None:
    webcam.most, webcam.hangs_up = 40, True
    reports, lines = told()
    frames = open_frames(CameraConfig(webcam.address), reports)
    source = next(frames).source
    assert source == f"http://***@127.0.0.1:{webcam.server_port}/video?***"
    with pytest.raises(CameraError) as broken:
        list(frames)
    webcam.status = 401
    with pytest.raises(CameraError) as refused:
        open_frames(CameraConfig(webcam.address), reports)
    wrote = capfd.readouterr()
    everything = f"{broken.value}{refused.value}{lines}{wrote.out}{wrote.err}"
    assert SECRET not in everything
    assert "admin" not in everything


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://u:p@10.0.0.2:554/a?b=c", "rtsp://***@10.0.0.2:554/a?***"),
        ("rtsp://u:p/w@d?x@10.0.0.2/a", "rtsp://***@10.0.0.2/a"),
        ("rtsp://10.0.0.2/a", "rtsp://10.0.0.2/a"),
        ("what/is@it?.mp4", "what/is@it?.mp4"),
    ],
)
def test_a_name_hides_what_is_secret_even_where_it_is_written_wrongly(
    source: str, name: str
) -> None:
    assert CameraConfig(source).name == name


def test_nobody_at_that_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_stream, "OPEN_TIMEOUT_MS", 2000)
    with pytest.raises(CameraError, match="no stream could be opened within 2 s"):
        open_frames(CameraConfig(f"rtsp://127.0.0.1:{free_port()}/cam"), told()[0])


def test_the_user_s_own_options_for_ffmpeg_are_kept(
    webcam: Webcam, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_frames(CameraConfig(webcam.address), told()[0]).close()
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in os.environ
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    open_frames(CameraConfig(webcam.address), told()[0]).close()
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_an_rtsp_camera_that_goes_and_comes_back_is_lost_and_can_be_opened_again(
    serve: Serve,
) -> None:
    port = free_port()
    wish, (reports, lines) = CameraConfig(f"rtsp://admin:{SECRET}@127.0.0.1:{port}/cam"), told()
    server = serve(port)
    frames = open_frames(wish, reports)
    reddish(frames)
    assert lines == ["320x240 h264 25/s"]
    server.kill()
    server.wait()
    with pytest.raises(CameraError, match=r"rtsp://\*\*\*@.*broke off"):
        for _ in frames:
            pass
    with pytest.raises(CameraError, match="no stream could be opened"):
        open_frames(wish, reports)
    serve(port)
    again = open_frames(wish, reports)
    reddish(again)
    again.close()


def reddish(frames: Frames) -> None:
    """The next frame is what the server shows."""
    red, green, blue = next(frames).picture_rgb[120, 160].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60
