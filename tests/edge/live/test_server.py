"""The watch's socket with real viewers: those that read, that do not, and that are hostile."""

import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.mosquitto import wait_until

from vedette_edge.capture.originals import OriginalsFile
from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.files import create_memory_file
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import SharedPicture
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live import client
from vedette_edge.live.cached_packet import FRESH_S
from vedette_edge.live.client import LiveClient, load_pixels
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.protocol import LARGEST_PACKET, Packet, create_file
from vedette_edge.live.score_history import create_score_history, decode_score_history
from vedette_edge.live.server import ACCEPT_S, MOST_RECORDS, MOST_VIEWERS, LiveServer
from vedette_edge.live.viewer import MOST_REQUESTS
from vedette_edge.log.records import create_record

HELLO = {"model": "m.tflite", "labels": ["fox", "hen"]}
SCORES = np.array([0.75, 0.25], np.float32)
ORIGINALS = OriginalsFile(1)
RULES = {"enter": 0.5, "leave": 0.3, "dwell": 1.0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watch.sock"


@pytest.fixture
def server(path: Path) -> Iterator[LiveServer]:
    with LiveServer(path, HELLO) as server:
        yield server


@pytest.fixture
def viewer(server: LiveServer, path: Path) -> Iterator[LiveClient]:
    with LiveClient(path) as viewer:
        yield viewer


def make_frame(number: int = 7, *, original: bool = True, size: int = 96) -> LiveFrame:
    input_rgb = draw_test_pattern(number, size, size)
    region = LiveRegion("door", input_rgb, SCORES, 1 - SCORES, "fox", 4.25, {"enter": 0.5})
    picture = share(number, draw_test_pattern(number, 1080, 1920)) if original else None
    return LiveFrame(number, 1.8e9, 12.34, picture, [region])


def share(number: int, image_rgb: Image) -> SharedPicture:
    """Share the picture of a frame, in the place of the one before."""
    height, width, scale = ORIGINALS.write(0, image_rgb)
    ORIGINALS.finish(0, number)
    picture = ORIGINALS.lend(0, number, (height, width), scale)
    assert picture
    return picture


def has_pixels(packet: Packet, expected: Image) -> bool:
    image_rgb = load_pixels(packet)
    return image_rgb is not None and np.array_equal(image_rgb, expected)


def open_raw(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    raw.settimeout(10)
    raw.connect(str(path))
    return raw


def test_a_viewer_is_sent_what_the_watch_is_at_once(viewer: LiveClient) -> None:
    assert viewer.hello == {"type": "hello", "version": 1, **HELLO}


def test_records_come_as_they_happen_from_the_request_on(
    server: LiveServer, viewer: LiveClient
) -> None:
    server.write(create_record("note") | {"text": "before"})
    viewer.request(["records"])
    wait_until(lambda: server._wants_records)
    records = [create_record("change") | {"label": "fox", "frame": n} for n in range(5)]
    for record in records:
        server.write(record)
    assert [viewer.read().header["record"] for _ in records] == records


def test_all_parts_of_a_request_show_the_same_frame(server: LiveServer, viewer: LiveClient) -> None:
    viewer.request(["state", "frame", "input"])
    wait_until(lambda: server.wants_frame and server.wants_picture)
    server.put_frame(make_frame())
    packets = {packet.header["type"]: packet for packet in (viewer.read() for _ in range(3))}
    assert {one.header["frame"] for one in packets.values()} == {7}
    state = packets["state"].header["regions"]
    assert state == [
        {
            "region": "door",
            "label": "fox",
            "stands_s": 4.25,
            "enter": 0.5,
            "scores": [0.75, 0.25],
            "smoothed": [0.25, 0.75],
        }
    ]
    decoded = cv2.imdecode(np.frombuffer(packets["input"].body, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.array_equal(decoded[..., ::-1], draw_test_pattern(7, 96, 96))
    shown = cv2.imdecode(np.frombuffer(packets["frame"].body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (720, 1280, 3)
    assert packets["frame"].header["width"] == 1920


def test_pixels_are_exact(server: LiveServer, viewer: LiveClient, path: Path) -> None:
    with LiveClient(path) as another:
        for one in (viewer, another):
            one.request(["pixels", "input_pixels"])
        wait_until(lambda: sum(bool(one.parts) for one in server._viewers.values()) == 2)
        server.put_frame(make_frame())
        for one in (viewer, another):
            packet = one.read()  # of the input
            assert has_pixels(packet, draw_test_pattern(7, 96, 96))
            packet = one.read()
            assert has_pixels(packet, draw_test_pattern(7, 1080, 1920))


def test_files_for_a_viewer_that_never_reads_do_not_gather(
    server: LiveServer, viewer: LiveClient
) -> None:
    for number in range(20):
        viewer.request(["state", "pixels"])
        wait_until(lambda: server.wants_frame)
        server.put_frame(make_frame(number))
        wait_until(lambda: not any(one.parts for one in server._viewers.values()))
    assert server.read_counters().dropped == 19
    assert {viewer.read().header["frame"] for _ in range(2)} == {0}


def test_a_file_that_may_shrink_is_refused() -> None:
    loose = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.write(loose, b"pixels")
    with pytest.raises(ProtocolError, match="not sealed"):
        client._map_file(loose, {})
    os.close(loose)


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


def test_a_picture_that_a_newer_frame_has_replaced_is_not_shown(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["pixels"])
    wait_until(lambda: server.wants_picture)
    late, _ = make_frame(7), make_frame(8)
    server.put_frame(late)
    assert load_pixels(viewer.read()) is None
    viewer.request(["frame", "state"])
    wait_until(lambda: server.wants_picture)
    server.put_frame(late)
    assert viewer.read().header["type"] == "state"
    wait_until(lambda: server.wants_picture)  # still, of one of the next frames
    server.put_frame(make_frame(9))
    assert viewer.read().header["type"] == "frame"


@pytest.mark.parametrize("size", [96, 224])
def test_the_inputs_of_many_regions_arrive_at_a_viewer_that_reads_a_moment_later(
    server: LiveServer, path: Path, size: int
) -> None:
    inputs_rgb = [draw_test_pattern(number, size, size) for number in range(6)]
    regions = [
        LiveRegion(str(number), input_rgb, SCORES, SCORES, "fox", 1.0, {})
        for number, input_rgb in enumerate(inputs_rgb)
    ]
    with LiveClient(path) as viewer:
        wait_until(lambda: server._viewers)
        (connection,) = (one.connection for one in server._viewers.values())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 212_992 // 2)  # Debian's most
        viewer.request(["state", "pixels", "input_pixels"])
        wait_until(lambda: server.wants_picture)
        picture = share(7, draw_test_pattern(7, 1080, 1920))
        server.put_frame(LiveFrame(7, 1.8e9, 12.3, picture, regions))
        time.sleep(0.05)
        packets = [viewer.read() for _ in range(8)]
    assert [one.header["type"] for one in packets] == ["input_pixels"] * 6 + ["pixels", "state"]
    for packet, input_rgb in zip(packets, inputs_rgb, strict=False):
        assert has_pixels(packet, input_rgb)


def test_a_viewer_leaves_no_descriptor_open(server: LiveServer, viewer: LiveClient) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one that vanishes is no error

    make_frame()
    before = count()
    for _ in range(5):
        viewer.request(["pixels"])
        wait_until(lambda: server.wants_picture)
        server.put_frame(make_frame())
        assert load_pixels(viewer.read()) is not None
    assert count() == before


def test_a_file_that_is_too_large_is_refused() -> None:
    large = create_memory_file("large", 1 << 30)
    with pytest.raises(ProtocolError, match="cannot be read"):
        client._map_file(large, {})
    os.close(large)


def test_a_file_of_a_packet_cannot_be_changed() -> None:
    descriptor = create_file(b"pixels")
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.truncate(descriptor, 0)
    assert os.pread(descriptor, 100, 0) == b"pixels"
    os.close(descriptor)


@pytest.mark.parametrize("header", [{}, {"height": 2, "width": 2}, {"height": "x", "width": 1}])
def test_pixels_of_another_size_than_the_packet_says_are_an_error(
    header: dict[str, object],
) -> None:
    with pytest.raises(ProtocolError, match="size"):
        load_pixels(Packet(header, bytes(13)))


def test_the_figures_come_at_once_and_ask_nothing_of_the_watch(path: Path) -> None:
    counts = iter(range(1, 1000))
    with LiveServer(path, HELLO, lambda: {"count": next(counts)}) as server:
        with LiveClient(path) as viewer:
            for count in (1, 2):
                viewer.request(["metrics"])
                assert viewer.read().header == {"type": "metrics", "count": count}
                time.sleep(2 * FRESH_S)
        assert not server.wants_frame


def test_a_flood_of_requests_for_figures_reads_them_seldom(path: Path) -> None:
    counts = iter(range(1, 1000))
    with LiveServer(path, HELLO, lambda: {"count": next(counts)}), LiveClient(path) as viewer:
        begun_s = time.monotonic()
        for _ in range(MOST_REQUESTS - 1):
            viewer.request(["metrics"])
            viewer.read()
        lasted_s = time.monotonic() - begun_s
    assert next(counts) <= 2 + lasted_s / FRESH_S


def test_thresholds_reach_the_watch_and_errors_the_viewer(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.set_thresholds({"enter": 0.6})
    assert "no thresholds to set" in str(viewer.read().header["error"])
    taken: list[Mapping[str, object]] = []
    server.set_thresholds = taken.append
    viewer.set_thresholds({"enter": 0.6, "leave": None})
    assert viewer.read().header == {"type": "set"}
    assert taken == [{"enter": 0.6, "leave": None}]

    def refuse(changes: Mapping[str, object]) -> None:
        raise SettingError("enter is 9; expected 0.05 to 1")

    server.set_thresholds = refuse
    viewer.set_thresholds({"enter": 9})
    assert viewer.read().header == {"type": "error", "error": "enter is 9; expected 0.05 to 1"}


def test_a_viewer_that_does_not_read_is_sent_one_score_history(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["score_history"])
    assert "keeps no scores" in str(viewer.read().header["error"])
    file = create_memory_file("scores", 16)
    fields = {"regions": [""], "count": 2, "newest": 1, "step_s": 1, "at": 7.0} | RULES
    server.create_score_history = lambda: create_score_history(fields, file)
    for _ in range(20):
        viewer.request(["score_history"])
    viewer.request(["metrics"])
    wait_until(lambda: server.read_counters().dropped == 19)
    assert decode_score_history(viewer.read()).entries.shape == (1, 2)
    os.close(file)


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


def test_figures_that_cannot_be_read_do_not_end_the_socket(path: Path) -> None:
    def fail() -> dict[str, object]:
        raise ZeroDivisionError

    with LiveServer(path, HELLO, fail) as server, LiveClient(path) as viewer:
        viewer.request(["metrics"])
        viewer.request(["state"])
        wait_until(lambda: server.wants_frame)
        server.put_frame(make_frame())
        assert viewer.read().header["type"] == "state"


def test_nothing_is_asked_of_the_watch_until_a_viewer_asks(
    server: LiveServer, viewer: LiveClient
) -> None:
    assert not server.wants_frame
    viewer.request(["state"])
    wait_until(lambda: server.wants_frame)
    assert not server.wants_picture
    server.put_frame(make_frame(original=False))
    assert viewer.read().header["type"] == "state"
    wait_until(lambda: not server.wants_frame)


def test_a_picture_is_waited_for_until_its_original_is_kept(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["frame"])
    wait_until(lambda: server.wants_frame)
    server.put_frame(make_frame(1, original=False))
    time.sleep(0.1)
    server.put_frame(make_frame(2))
    assert viewer.read().header["frame"] == 2


def test_a_viewer_that_never_reads_loses_packets_and_holds_up_nobody(
    server: LiveServer, viewer: LiveClient, path: Path
) -> None:
    with open_raw(path) as idle:
        idle.send(b'{"request":["records"]}')
        viewer.request(["records"])
        wait_until(lambda: sum(one.records for one in server._viewers.values()) == 2)
        count = 3000
        for number in range(count):
            server.write(create_record("note") | {"text": "x" * 1000, "frame": number})
            assert viewer.read().header["record"]["frame"] == number  # type: ignore[index]
        dropped = server.read_counters().dropped
        assert dropped > count / 2
        received, data = 0, b"."
        while b'"dropped"' not in data:
            data = idle.recv(LARGEST_PACKET)
            received += b'"record"' in data
            server.write(create_record("note"))
            viewer.read()
        assert received < count - dropped + 100


def test_records_that_the_thread_does_not_take_are_counted(path: Path) -> None:
    server = LiveServer(path, HELLO)  # its thread does not run
    server._wants_records = True
    for _ in range(MOST_RECORDS + 5):
        server.write(create_record("note"))
    assert server.read_counters().dropped == 5
    server.close()


@pytest.mark.parametrize(
    "data", [b"x", b"{}", b'{"request":["all"]}', b"[" * 4000, b"\xff" * 4000, b"x" * 100_000]
)
def test_a_request_that_is_not_valid_is_answered_with_an_error(
    server: LiveServer, path: Path, data: bytes
) -> None:
    with open_raw(path) as raw:
        raw.recv(LARGEST_PACKET)
        raw.send(data)
        assert b'"type":"error"' in raw.recv(LARGEST_PACKET)
        raw.send(b'{"request":["state"]}')
        wait_until(lambda: server.wants_frame)
        server.put_frame(make_frame())
        assert b'"type":"state"' in raw.recv(LARGEST_PACKET)


def test_a_viewer_that_floods_is_closed(server: LiveServer, path: Path) -> None:
    with open_raw(path) as raw, suppress(ConnectionError):
        for _ in range(10_000):
            raw.send(b'{"request":["state"]}')
    wait_until(lambda: not server._viewers)


def test_a_viewer_that_asks_and_goes_disturbs_no_other(
    server: LiveServer, viewer: LiveClient, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = create_memory_file("scores", 16)
    fields = {"regions": [""], "count": 2, "newest": 1, "step_s": 1, "at": 7.0} | RULES
    server.create_score_history = lambda: create_score_history(fields, file)
    for _ in range(10):
        with open_raw(path) as raw:
            raw.recv(LARGEST_PACKET)
            raw.send(b'{"request":["metrics","score_history","state","input_pixels"]}')
    viewer.request(["metrics"])
    assert viewer.read().header["type"] == "metrics"
    wait_until(lambda: len(server._viewers) == 1)
    assert not caplog.records
    os.close(file)


def test_a_flood_of_connections_is_taken_slowly(server: LiveServer, path: Path) -> None:
    begun_s, count = time.monotonic(), 20
    for _ in range(count):
        LiveClient(path).close()
    assert time.monotonic() - begun_s > (count - 1) * ACCEPT_S / 2


def test_more_viewers_than_there_may_be_are_refused(server: LiveServer, path: Path) -> None:
    with ExitStack() as stack:
        viewers = [stack.enter_context(LiveClient(path)) for _ in range(MOST_VIEWERS)]
        raw = stack.enter_context(open_raw(path))
        assert b"16 viewers are connected" in raw.recv(LARGEST_PACKET)
        viewers[0].close()
        wait_until(lambda: len(server._viewers) < MOST_VIEWERS)
        stack.enter_context(LiveClient(path))


def test_viewers_that_come_and_go_leave_nothing_behind(server: LiveServer, path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one that vanishes is no error

    before = count()
    for number in range(300):
        with LiveClient(path) as viewer:
            if number % 2:
                viewer.request(["records", "frame", "pixels"])
    wait_until(lambda: not server._viewers and count() <= before)
    assert not server.wants_frame


def test_an_input_that_is_too_large_for_a_packet_is_an_error(
    server: LiveServer, viewer: LiveClient
) -> None:
    noise_rgb = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    region = LiveRegion("", noise_rgb, None, None, "", 0.0, {})
    viewer.request(["input"])
    wait_until(lambda: server.wants_frame)
    server.put_frame(LiveFrame(1, 0.0, 0.0, None, [region]))
    packet = viewer.read()
    assert packet.header["type"] == "error"
    assert "too many for a packet" in str(packet.header["error"])


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
