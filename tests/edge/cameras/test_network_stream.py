"""Network cameras: a real RTSP server, and MJPEG over HTTP as cheap cameras send it."""

import os
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog, Serve
from tests.edge.mosquitto import find_free_port

from vedette_edge.cameras import network_stream, open_frames
from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frames
from vedette_edge.cameras.network_stream import Clocks, grab_newest
from vedette_edge.errors import CameraError

SECRET = "hunter2"


class Webcam(ThreadingHTTPServer):
    """Sends images at a rate; the grey level of each tells its number."""

    daemon_threads = True
    rate, most = 25.0, 10**9  # frames/s; frames before it falls silent
    hangs_up = False  # then it closes the connection
    status, target = 200, ""  # and the address of a redirect
    password = ""  # which it asks for
    file, file_type = b"", "application/vnd.apple.mpegurl"  # what it sends instead of images

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Sender)
        self.going = threading.Event()
        self.sent = 0
        self.requests: list[Message] = []  # their headers

    def handle_error(self, *_: object) -> None:
        """Print nothing: clients may refuse a certificate."""

    @property
    def address(self) -> str:
        return f"http://admin:{SECRET}@127.0.0.1:{self.server_port}/{SECRET}?key={SECRET}"


class Sender(BaseHTTPRequestHandler):
    server: Webcam

    def do_GET(self) -> None:
        self.server.requests.append(self.headers)
        wanted = f"Basic {b64encode(f'admin:{self.server.password}'.encode()).decode()}"
        if self.server.password and self.headers["Authorization"] != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        status = 200 if self.path == self.server.target else self.server.status
        self.send_response(status)
        self.send_header("Location", self.server.target)
        if self.server.file:
            self.send_header("Content-Type", self.server.file_type)
            self.end_headers()
            self.wfile.write(self.server.file)
            return
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        with suppress(OSError):
            while status == 200 and self.server.sent < self.server.most:
                self.wfile.write(part(self.server.sent))
                self.server.sent += 1
                time.sleep(1 / self.server.rate)
            if not self.server.hangs_up:
                self.server.going.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


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


def test_mjpeg_over_http_is_a_stream(webcam: Webcam) -> None:
    log = EventLog()
    frames = open_frames(CameraConfig(webcam.address), log.add)
    seen = [next(frames) for _ in range(10)]
    (opened,) = log.details("opened")
    assert opened.startswith("64x48 ")
    numbers = [frame.number for frame in seen]
    assert numbers == sorted(set(numbers))
    assert {frame.image_rgb.shape for frame in seen} == {(48, 64, 3)}
    frames.close()


def test_a_reader_that_comes_back_gets_the_newest_frame(webcam: Webcam) -> None:
    frames = open_frames(CameraConfig(webcam.address), EventLog().add)
    before = next(frames)
    time.sleep(1.5)
    after = next(frames)
    shown = int(after.image_rgb.mean()) - 10
    assert webcam.sent - shown <= 12  # of more than 35 that had piled up
    assert after.number - before.number > 12
    frames.close()


def test_a_camera_faster_than_the_rate_that_it_states_is_looked_at_all_the_same(
    webcam: Webcam,
) -> None:
    webcam.rate = 60.0  # FFmpeg states 25 for every such stream
    frames = open_frames(CameraConfig(webcam.address), EventLog().add)
    seen = [next(frames).number for _ in range(40)]
    steps = np.diff(seen)
    assert np.median(steps) <= 2
    frames.close()


class Script:
    """A stream and clocks that play a script of grabs: wall time, processor time, pauses."""

    def __init__(self, *grabs: tuple[float, float, int]) -> None:
        self._grabs, self._clocks = list(grabs), Clocks(0.0, 0.0, 0)

    def grab(self) -> bool:
        if not self._grabs:
            return False
        now, (time_s, processor_s, pauses) = self._clocks, self._grabs.pop(0)
        self._clocks = Clocks(
            now.time_s + time_s, now.processor_s + processor_s, now.pauses + pauses
        )
        return True

    def read_clocks(self) -> Clocks:
        return self._clocks


@pytest.mark.parametrize(
    ("grabs", "taken"),
    [
        ([(0.008, 0.002, 1)], 1),  # 120 frames/s
        ([(0.0002, 0.0002, 0)] * 50 + [(0.02, 0.002, 1)], 51),  # after a pause
        ([(0.03, 0.03, 0)] * 3 + [(0.04, 0.03, 1)], 4),  # decoding is no waiting
        ([(0.03, 0.09, 5)] * 3 + [(0.04, 0.03, 1)], 4),  # nor in other threads
        ([(0.05, 0.002, 0)] * 3 + [(0.04, 0.03, 1)], 4),  # nor is another program's turn
        ([(0.04, 0.04, 0)] * 99, 8),  # a machine that is too slow looks at some
        ([(0.03, 0.03, 0)] * 3, 0),  # the stream broke off
    ],
)
def test_a_frame_is_new_if_it_had_to_be_waited_for(
    grabs: list[tuple[float, float, int]], taken: int
) -> None:
    script = Script(*grabs)
    assert grab_newest(cast(cv2.VideoCapture, script), script.read_clocks) == taken


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_stream_that_breaks_off_or_falls_silent_is_an_error(
    webcam: Webcam, hangs_up: bool
) -> None:
    webcam.hangs_up, webcam.most = hangs_up, 40
    frames = open_frames(CameraConfig(webcam.address), EventLog().add)
    with pytest.raises(CameraError, match="the stream broke off after"):
        for _ in frames:
            pass


@pytest.mark.parametrize("name", ["snapshot.jpg", "snapshot"])
def test_an_address_of_one_picture_is_an_error_that_says_what_to_use(
    webcam: Webcam, name: str
) -> None:
    webcam.file = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    webcam.file_type = "image/jpeg"
    config = CameraConfig(f"http://127.0.0.1:{webcam.server_port}/{name}")
    with pytest.raises(CameraError, match=r"one picture, .*docs/cameras\.md"):
        list(open_frames(config, EventLog().add))


def test_no_event_or_error_contains_user_password_or_query(
    webcam: Webcam, capfd: pytest.CaptureFixture[str]
) -> None:
    webcam.most, webcam.hangs_up = 40, True
    log = EventLog()
    frames = open_frames(CameraConfig(webcam.address), log.add)
    source = next(frames).source
    assert source == f"http://127.0.0.1:{webcam.server_port}"
    with pytest.raises(CameraError) as broken:
        list(frames)
    webcam.status = 401
    with pytest.raises(CameraError) as refused:
        open_frames(CameraConfig(webcam.address), log.add)
    wrote = capfd.readouterr()
    everything = f"{broken.value}{refused.value}{log.events}{wrote.out}{wrote.err}"
    assert SECRET not in everything
    assert "admin" not in everything


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_an_address_without_a_server_is_an_error_with_its_reason(scheme: str) -> None:
    with pytest.raises(CameraError, match=r": cannot be opened \(Connection refused\); expected"):
        open_frames(CameraConfig(f"{scheme}://127.0.0.1:{find_free_port()}/cam"), EventLog().add)


@pytest.mark.parametrize("source", ["rtsp://[::1/cam", "rtsp://127.0.0.1:x/cam", "rtsp:///cam"])
def test_an_address_that_is_none_is_an_error(source: str) -> None:
    with pytest.raises(CameraError, match="cannot be opened"):
        open_frames(CameraConfig(source), EventLog().add)


def test_a_server_that_does_not_answer_is_an_error_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_stream, "OPEN_TIMEOUT_MS", 1000)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(CameraError, match="cannot be opened within 1 s"),
    ):
        open_frames(CameraConfig(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"), EventLog().add)


def test_a_server_that_has_no_stream_is_an_error_at_once(webcam: Webcam) -> None:
    webcam.status = 404
    with pytest.raises(CameraError, match="cannot be opened; expected"):
        open_frames(CameraConfig(webcam.address), EventLog().add)


def test_ffmpeg_options_that_the_user_has_set_are_kept(
    webcam: Webcam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    open_frames(CameraConfig(webcam.address), EventLog().add).close()
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (None, "rtsp_transport;tcp|a;1"),
        ("", "rtsp_transport;tcp|a;1"),
        ("rtsp_transport;udp|", "rtsp_transport;udp|a;1"),
        ("x|y;|a;2| b ; 3 ;4|", "a;2|b;3 ;4|a;1"),
        (r"k;'|a;'\||a;2|c;5", r"k;'|a;'\||a;2|c;5|a;1"),
    ],
)
def test_no_option_of_the_user_s_spoils_those_that_are_added(
    monkeypatch: pytest.MonkeyPatch, options: str | None, passed: str
) -> None:
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name) if options is None else monkeypatch.setenv(name, options)
    with network_stream.set_ffmpeg_options("a;1"):
        assert os.environ[name] == passed
    assert os.environ.get(name) == options


def test_an_rtsp_camera_that_stops_is_an_error_and_can_be_opened_again(
    serve: Serve,
) -> None:
    port = find_free_port()
    config, log = CameraConfig(f"rtsp://admin:{SECRET}@127.0.0.1:{port}/cam"), EventLog()
    server = serve(port)
    frames = open_frames(config, log.add)
    assert_red(frames)
    assert log.events == [CameraEvent("opened", "320x240 h264 25/s")]
    server.kill()
    server.wait()
    with pytest.raises(CameraError, match=r"rtsp://127[0-9.:]*: .*broke off"):
        for _ in frames:
            pass
    with pytest.raises(CameraError, match="cannot be opened"):
        open_frames(config, log.add)
    serve(port)
    again = open_frames(config, log.add)
    assert_red(again)
    again.close()


def assert_red(frames: Frames) -> None:
    """Assert that the next frame is red, as the server sends it."""
    red, green, blue = next(frames).image_rgb[120, 160].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60
