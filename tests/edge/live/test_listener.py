"""The place of the watch's socket in the file system."""

import socket
import stat
from pathlib import Path

import pytest
from tests.edge.live.frames import HELLO

from vedette_edge.errors import SettingError
from vedette_edge.live.client import LiveClient
from vedette_edge.live.server import LiveServer


def test_the_socket_is_for_the_user_and_the_group_and_goes_with_the_watch(path: Path) -> None:
    with LiveServer(path, HELLO):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


def test_a_socket_that_is_left_behind_is_replaced_and_one_that_is_served_is_not(
    path: Path,
) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left.bind(str(path))
    left.close()
    with LiveServer(path, HELLO):
        with pytest.raises(SettingError, match="another program serves it"):
            LiveServer(path, HELLO)
        LiveClient(path).close()


def test_a_socket_of_another_program_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "other.sock", tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with socket.socket(socket.AF_UNIX) as other:  # of another type
        other.bind(str(path))
        other.listen()
        with pytest.raises(SettingError, match="another program serves it"):
            LiveServer(path, HELLO)
    with pytest.raises(SettingError, match="is no socket"):
        LiveServer(link, HELLO)
    assert path.is_socket()
    assert link.is_symlink()


def test_a_place_where_no_socket_can_be_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, tmp_path, tmp_path / "gone" / "watch.sock", tmp_path / ("x" * 200)):
        with pytest.raises(SettingError, match=str(path)):
            LiveServer(path, HELLO)
    assert file.read_text() == "mine"
