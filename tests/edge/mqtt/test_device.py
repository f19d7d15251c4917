"""The device: an id that stays, and what the machine says of itself."""

from pathlib import Path

import pytest

from vedette_edge.mqtt.device import create_stable_id, describe_device, read_hardware


def test_the_id_is_the_machines_and_does_not_reveal_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    first = create_stable_id(tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    # printf 0123456789abcdef0123456789abcdefvedette | sha256sum
    assert create_stable_id(tmp_path) == first == "4e11c4268007"
    (tmp_path / "etc" / "machine-id").write_text("uninitialized\n")
    assert create_stable_id(tmp_path) == create_stable_id(tmp_path / "nowhere") != first


def test_the_hardware_is_what_the_kernel_says(tmp_path: Path) -> None:
    assert read_hardware(tmp_path) == ""
    (tmp_path / "proc" / "device-tree").mkdir(parents=True)
    (tmp_path / "proc" / "device-tree" / "model").write_text("Raspberry Pi 4 Model B Rev 1.5\0")
    assert read_hardware(tmp_path) == "Raspberry Pi 4 Model B Rev 1.5"


def test_a_watch_of_the_whole_frame_has_no_regions() -> None:
    assert describe_device("door-pi", ("fox",), ("",), 60.0).regions == ()
    assert describe_device("door-pi", ("fox",), ("door",), 60.0).regions == ("door",)
