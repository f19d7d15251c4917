"""Encrypted cameras: a real server with certificates that the openssl command makes."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.cameras.test_network_stream import SECRET, Webcam
from tests.edge.conftest import EventLog, Serve, needs_openssl
from tests.edge.mosquitto import find_free_port
from tests.edge.video_files import write_video

from vedette_edge.cameras import network_stream, open_frames, tls
from vedette_edge.cameras.address import hide_secrets
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.cameras.tls_relay import Relay, pump
from vedette_edge.errors import CameraError, SettingError

pytestmark = needs_openssl
needs_options = pytest.mark.skipif(
    cv2.__version__ == "4.11.0", reason="this OpenCV ignores OPENCV_FFMPEG_CAPTURE_OPTIONS"
)
Start = Callable[..., Webcam]


def run_openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: own and other, self-signed for camera.example; signed, by authority's."""
    folder = tmp_path_factory.mktemp("keys")
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-batch")
    for name in ("own", "other", "authority"):
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        run_openssl(*new, "-x509", "-subj", f"/CN={name}", *files)
    for name, host in (("stranger", "DNS:camera.example"), ("signed", "IP:127.0.0.1")):
        request, made = folder / f"{name}.csr", folder / f"{name}.pem"
        (folder / "hosts").write_text(f"subjectAltName={host}", "ascii")
        key = folder / f"{name}.key"
        run_openssl(*new, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", folder / "authority.pem", "-CAkey", folder / "authority.key")
        more = ("-CAcreateserial", "-extfile", folder / "hosts", "-out", made)
        run_openssl("x509", "-req", "-in", request, *signer, *more)
    return folder


class EncryptedWebcam(Webcam):
    """A camera that shows one certificate after another, the last one again and again."""

    def __init__(self, contexts: list[ssl.SSLContext]) -> None:
        super().__init__()
        self._contexts = contexts

    @property
    def address(self) -> str:
        return super().address.replace("http:", "https:")

    def get_request(self) -> tuple[socket.socket, object]:
        connection, client = super().get_request()
        context = self._contexts.pop(0) if self._contexts[1:] else self._contexts[0]
        return context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ), client


def load_context(keys: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    return context


@pytest.fixture
def start(keys: Path) -> Iterator[Start]:
    """Starts a camera; each name is the certificate of a connection. Without any, it is plain."""
    with ExitStack() as stack:

        def serve(*names: str) -> Webcam:
            contexts = [load_context(keys, name) for name in names]
            server = stack.enter_context(EncryptedWebcam(contexts) if names else Webcam())
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            stack.callback(server.going.set)
            return server

        yield serve


def open_camera(address: str, certificate: Path | None = None) -> None:
    """Open a camera and see a frame."""
    config = CameraConfig(address, certificate=str(certificate or ""))
    frames = open_frames(config, EventLog().add)
    next(frames)
    frames.close()


def test_a_certificate_that_nobody_trusts_is_an_error_that_says_what_to_do(start: Start) -> None:
    address = start("own").address
    with pytest.raises(CameraError, match="not trusted") as refused:
        open_camera(address)
    port = address.split(":")[3].split("/")[0]
    assert f"openssl s_client -connect 127.0.0.1:{port} </dev/null" in str(refused.value)
    assert "--camera-certificate camera.pem" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_camera_with_the_certificate_in_the_file_is_watched_whatever_its_name(
    start: Start, keys: Path
) -> None:
    address = start("own").address
    open_camera(address, keys / "own.pem")
    with pytest.raises(CameraError, match="not trusted"):
        open_camera(address, keys / "other.pem")


def test_the_file_may_be_wrapped_at_any_column_and_hold_trust_settings(
    start: Start, keys: Path, tmp_path: Path
) -> None:
    file, address = tmp_path / "camera.pem", start("own").address
    body = "".join((keys / "own.pem").read_text("ascii").splitlines()[1:-1])
    lines = [body[at : at + 76] for at in range(0, len(body), 76)]
    begin, end = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    file.write_text("\n".join((begin, *lines, end)), "ascii")
    open_camera(address, file)
    run_openssl(
        "x509", "-in", keys / "own.pem", "-addtrust", "serverAuth", "-trustout", "-out", file
    )
    assert "TRUSTED" in file.read_text("ascii")
    open_camera(address, file)


def test_the_advice_puts_an_ipv6_address_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        error = ssl.SSLCertVerificationError()
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(tls.Connector, "_connect", refuse)
    with pytest.raises(CameraError, match=r"openssl s_client -connect \[fe80::1\]:322 </dev/null"):
        tls.Connector(CameraConfig("rtsps://[fe80::1]/")).connect()


@pytest.mark.parametrize("host", ["cam..x", "a" * 64])
def test_a_host_that_no_name_server_could_know_is_a_wrong_setting(host: str) -> None:
    with pytest.raises(SettingError, match="not a valid address"):
        open_camera(f"https://{host}/")


def test_a_certificate_of_an_authority_is_good_for_its_host_alone(start: Start, keys: Path) -> None:
    open_camera(start("signed").address, keys / "authority.pem")
    with pytest.raises(CameraError, match="not trusted"):
        open_camera(start("stranger").address, keys / "authority.pem")


def test_a_certificate_that_changes_between_two_connections_gets_no_password(
    start: Start, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(keys / "authority.pem"))  # the system's authorities
    camera = start("signed", "other")
    camera.password = SECRET  # FFmpeg learns it from the first answer, and connects again
    with pytest.raises(CameraError, match="not trusted"):
        open_camera(camera.address)
    assert [request["Authorization"] for request in camera.requests] == [None]


def test_user_password_and_host_reach_the_camera(
    start: Start, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    camera = start("own")
    camera.password = SECRET
    open_camera(camera.address, keys / "own.pem")
    assert camera.requests[-1].get_all("Host") == [f"127.0.0.1:{camera.server_port}"]


@pytest.mark.parametrize("names", [["own"], []])
def test_a_redirect_to_another_address_is_not_followed(
    start: Start, keys: Path, names: list[str]
) -> None:
    camera, other = start("own"), start(*names)
    camera.status, camera.target = 302, other.address
    shown = hide_secrets(other.address)
    with pytest.raises(CameraError, match=f"redirects to {shown}, which is not followed"):
        open_camera(camera.address, keys / "own.pem")
    camera.target = other.address.partition(":")[2]
    with pytest.raises(CameraError, match="redirects to another address"):
        open_camera(camera.address, keys / "own.pem")
    assert not other.requests
    camera.target = "/path"
    open_camera(camera.address, keys / "own.pem")


def test_a_redirect_whose_target_comes_later_is_not_followed(keys: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            with load_context(keys, "own").wrap_socket(connection, server_side=True) as client:
                client.recv(4096)
                client.sendall(b"RTSP/1.0 302 Found\r\n")
                client.recv(4096)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(CameraError, match="redirects to another address"):
            open_camera(f"rtsps://127.0.0.1:{listener.getsockname()[1]}/cam", keys / "own.pem")


@needs_options
@pytest.mark.parametrize("names", [["own"], []])
def test_of_a_playlist_only_what_the_camera_itself_has_is_opened(
    start: Start, keys: Path, names: list[str]
) -> None:
    camera, other = start("own"), start(*names)
    elsewhere = other.address.replace("127.0.0.1", "localhost")
    parts = (f"{elsewhere}/1.ts", "/2.ts")
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:1", *(f"#EXTINF:1,\n{part}" for part in parts))
    camera.file = "\n".join((*lines, "#EXT-X-ENDLIST\n")).encode()
    with pytest.raises(CameraError):
        open_camera(camera.address, keys / "own.pem")
    assert len(camera.requests) > 1
    assert not other.requests


@needs_options
@pytest.mark.parametrize(("options", "opens"), [("", True), (Relay.options, False)])
def test_ffmpeg_opens_no_file_for_an_encrypted_camera(
    tmp_path: Path, options: str, opens: bool
) -> None:
    clip = write_video(tmp_path / "clip.mkv", [np.zeros((48, 64, 3), np.uint8)])
    with network_stream.set_ffmpeg_options(options):
        assert cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG).isOpened() is opens


def test_the_user_can_turn_verification_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(network_stream.OPTIONS, "tls_verify;0")
    open_camera(start("own").address)
    for other in ("tls_verify;01", "xtls_verify;0", "user_agent;tls_verify;0"):
        monkeypatch.setenv(network_stream.OPTIONS, other)
        with pytest.raises(CameraError, match="not trusted"):
            open_camera(start("own").address)


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "TIMEOUT_S", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(CameraError, match=r"no encrypted connection \(.*timed out"),
    ):
        open_camera(f"https://127.0.0.1:{silent.getsockname()[1]}/")


def test_an_encrypted_rtsp_camera_is_a_stream_and_leaves_nothing_behind(
    serve: Serve, keys: Path
) -> None:
    port, context = find_free_port(), load_context(keys, "own")
    serve(port)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = threading.active_count()

        def encrypt() -> None:
            with (
                suppress(OSError),  # FFmpeg goes while it sends
                context.wrap_socket(listener.accept()[0], server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                pump(server, client, bytes, bytes)

        threading.Thread(target=encrypt, daemon=True).start()
        address = f"rtsps://admin:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/cam"
        open_camera(address, keys / "own.pem")
        end_s = time.monotonic() + 30
        while threading.active_count() > threads and time.monotonic() < end_s:
            time.sleep(0.05)
        assert threading.active_count() == threads


def test_a_file_without_a_certificate_is_an_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate", "ascii")
    with pytest.raises(SettingError, match=r"no\.pem: not a certificate; expected a file in PEM"):
        open_camera(start("own").address, tmp_path / "no.pem")
