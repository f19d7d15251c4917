"""Addresses: no user, password, path or query is shown, however an address is written."""

from pathlib import Path

import pytest

from vedette_edge.cameras import find_camera
from vedette_edge.cameras.address import redact
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import CameraError


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://u:hunter2@10.0.0.2:554/a?b=c", "rtsp://10.0.0.2:554"),
        ("rtsp://10.0.0.2/user=admin_password=hunter2_channel=1.sdp", "rtsp://10.0.0.2"),
        ("http://cam.local?pwd=hunter2", "http://cam.local"),
        ("http://cam.local:8080#hunter2", "http://cam.local:8080"),
        ("rtsp://u:p@[fe80::1]:554/a", "rtsp://[fe80::1]:554"),
        ("rtsp://u:hunter2/w@d?x@10.0.0.2/a", "rtsp://***"),
        ("rtsp://u:pass@hunter2/x@10.0.0.2/a", "rtsp://***"),
        ("rtsp://admin:hunter2", "rtsp://***"),
        ("rstp://admin:hunter2@10.0.0.2/a", "rstp://10.0.0.2"),
        ("RTSP:/admin:hunter2@10.0.0.2/a", "***"),
        ("rtsp:/10.0.0.2/hunter2", "***"),
        ("admin:hunter2@10.0.0.2/a", "10.0.0.2"),
        ("10.0.0.2:554/hunter2", "10.0.0.2:554"),
        ("//admin:hunter2@10.0.0.2/a", "***"),
        ("synthetic:rtsp://me:hunter2@10.0.0.2", "***"),
        ("rtsp;//admin:hunter2@10.0.0.2", "***"),
        ("10.0.0.2/x?password=hunter2", "10.0.0.2"),
        ("cam.lan/hunter2", "cam.lan"),
        ("cam:554?pw=hunter2", "cam:554"),
        ("cam?pw=hunter2", "cam"),
        ("hunter2@cam/x?y", "cam"),
        ("//10.0.0.2/hunter2", "***"),
        ("//dev/null", "//dev/null"),
        ("what\nis:hunter2@it", "it"),
        ("/admin,hunter2@10.0.0.2/x", "***"),
        ("tests/is@it?.mp4", "tests/is@it?.mp4"),
        ("pyproject.toml", "pyproject.toml"),
        ("./cam.lan/clip.mp4", "./cam.lan/clip.mp4"),
        ("synthetic:640x480@", "synthetic:640x480@"),
        ("v4l2:0", "v4l2:0"),
        ("picamera2:1", "picamera2:1"),
        ("-:raw:640x480", "-:raw:640x480"),
        ("synthetic:640x480@30", "synthetic:640x480@30"),
        ("/dev/v4l/by-id/usb-A:1-video0", "/dev/v4l/by-id/usb-A:1-video0"),
        ("/dev/at 10:30@home/clip.mp4", "/dev/at 10:30@home/clip.mp4"),
    ],
)
def test_only_scheme_host_and_port_are_shown(
    source: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert CameraConfig(source).name == name


@pytest.mark.parametrize("source", ["rstp://me:hunter2@h/x", "me:hunter2@h/x", "h.lan/hunter2"])
def test_a_mistyped_address_is_an_error_without_its_secrets(source: str) -> None:
    with pytest.raises(CameraError, match="not found; expected one of: ") as error:
        find_camera(CameraConfig(source))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "[tcp @ 0x1] Connection to tcp://10.0.0.2:554?timeout=0 failed",
            "tcp://10.0.0.2:554 failed",
        ),
        ("no such file: rtsp://me:hun%74er2@10.0.0.2/live/a1", "no such file: rtsp://10.0.0.2"),
        ("401 for user admin", "401 for user ***"),
        ("wrong password 'hunter2'", "wrong password '***'"),
        ("DESCRIBE of /live/a1 failed", "DESCRIBE of /***/a1 failed"),
        ("free(): invalid pointer", "free(): invalid pointer"),
    ],
)
def test_messages_of_others_are_redacted(message: str, shown: str) -> None:
    source = "rtsp://admin:hun%74er2@10.0.0.2:554/live/a1"
    assert redact(message, source).endswith(shown)
