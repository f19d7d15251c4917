"""A viewer's side of the socket, with a watch that sends nonsense."""

import os

import pytest
from tests.edge.live.frames import RULES, share

from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.files import create_memory_file, create_unchangeable_file
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live import client
from vedette_edge.live.client import LiveClient, load_pixels
from vedette_edge.live.protocol import Packet
from vedette_edge.live.score_history import decode_score_history


def test_a_file_that_may_shrink_is_refused() -> None:
    loose = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.write(loose, b"pixels")
    with pytest.raises(ProtocolError, match="not sealed"):
        client._map_file(loose, {})
    os.close(loose)


def test_a_file_that_is_too_large_is_refused() -> None:
    large = create_memory_file("large", 1 << 30)
    with pytest.raises(ProtocolError, match="cannot be read"):
        client._map_file(large, {})
    os.close(large)


def test_a_file_of_a_packet_cannot_be_changed() -> None:
    descriptor = create_unchangeable_file("input", b"pixels")
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.truncate(descriptor, 0)
    assert os.pread(descriptor, 100, 0) == b"pixels"
    os.close(descriptor)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"height": 0},
        {"height": -1, "width": -1},
        {"height": 10**6, "width": 10**6},
        {"offset": -9},
        {"offset": 10**30},
        {"stamp": "x"},
    ],
)
def test_a_shared_picture_that_is_described_wrongly_is_refused(fields: dict[str, object]) -> None:
    right = {"stamp": 7, "offset": share(7, draw_test_pattern(7)).offset} if fields else {}
    header = {**right, **({"height": 48, "width": 64} if fields else {}), **fields}
    with pytest.raises(ProtocolError, match="cannot be read"):
        client._read_shared(share(7, draw_test_pattern(7)).file, header)


@pytest.mark.parametrize("header", [{}, {"height": 2, "width": 2}, {"height": "x", "width": 1}])
def test_pixels_of_another_size_than_the_packet_says_are_an_error(
    header: dict[str, object],
) -> None:
    with pytest.raises(ProtocolError, match="size"):
        load_pixels(Packet(header, bytes(13)))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"regions": [""], "count": 2, "newest": 0, "step_s": 1, "at": 0},
        {"regions": [], "count": 0, "newest": 0, "step_s": 1, "at": 0},
        {"regions": [""], "count": "x", "newest": 0, "step_s": 1, "at": 0},
        {"regions": 3, "count": 3, "newest": 0, "step_s": 1, "at": 0},
        {"regions": [""], "count": 3, "newest": 0, "step_s": -1, "at": 0},
        {"regions": [""], "count": 3, "newest": 0, "step_s": 1, "at": float("inf")},
        {"regions": [""], "count": 3, "newest": float("inf"), "step_s": 1, "at": 0},
        {"regions": [""], "count": 3, "newest": 0, "step_s": 1, "at": 0, "enter": float("nan")},
    ],
)
def test_a_score_history_that_is_described_wrongly_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="score history"):
        decode_score_history(Packet(RULES | fields, bytes(24)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_not_sent(viewer: LiveClient, value: float) -> None:
    with pytest.raises(SettingError, match=f"enter is {value}; expected a number"):
        viewer.set_thresholds({"leave": 0.3, "enter": value})
