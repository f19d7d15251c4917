"""`vedette run` with a socket: viewers see what the network sees, and cost nothing else."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.conftest import WriteConfig
from tests.edge.mosquitto import wait_until
from tests.edge.vedette_command import call_vedette, read_events, start_watch
from tests.edge.video_files import write_video

from vedette_edge import Classifier
from vedette_edge.errors import VedetteError
from vedette_edge.images.preprocessing import Image
from vedette_edge.live.client import LiveClient
from vedette_edge.live.protocol import Packet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "watch.sock"


@pytest.fixture
def config(write_config: WriteConfig, model: Path, tmp_path: Path, path: Path) -> Path:
    """A watch of a clip of half a second each of red, green and blue."""
    colours_bgr = ((0, 0, 220), (0, 220, 0), (220, 0, 0))
    frames = [np.full((60, 80, 3), one, np.uint8) for one in colours_bgr for _ in range(5)]
    clip = write_video(tmp_path / "clip.avi", frames)
    path.parent.mkdir()
    return write_config(
        f'model = "{model}"\ncamera = "{clip}"\nlive = true\nloop = true\njson = true\n'
        f'smoothing = 0.2\ndwell = 0.0\nheartbeat = 0.2\nsocket = "{path}"\n'
        'region = ["door=0,0,40,60", "yard=40,0,40,60"]\n'
    )


@pytest.fixture
def viewer(config: Path, path: Path) -> Iterator[LiveClient]:
    with start_watch(config) as watch:
        read_events(watch, "change")
        with LiveClient(path) as viewer:
            yield viewer


def read_parts(viewer: LiveClient, *names: str) -> dict[str, list[Packet]]:
    viewer.request(names)
    parts: dict[str, list[Packet]] = {name: [] for name in names}
    while not all(len(parts[name]) == (2 if name == "input" else 1) for name in names):
        packet = viewer.read()
        parts[str(packet.header["type"])].append(packet)
    return parts


def decode(packet: Packet) -> Image:
    image_bgr = cv2.imdecode(np.frombuffer(packet.body, np.uint8), cv2.IMREAD_COLOR)
    assert image_bgr is not None
    return np.ascontiguousarray(image_bgr[..., ::-1], np.uint8)


def test_a_viewer_gets_the_input_and_the_scores_of_the_same_frame(
    viewer: LiveClient, model: Path
) -> None:
    assert viewer.hello["labels"] == ["red", "green", "blue"]
    assert viewer.hello["regions"] == ["door", "yard"]
    with Classifier(model) as classifier:
        for _ in range(5):
            parts = read_parts(viewer, "state", "input", "frame")
            (state,), (frame,) = parts["state"], parts["frame"]
            regions = state.header["regions"]
            assert isinstance(regions, list)
            assert {packet.header["frame"] for packet in (*parts["input"], frame)} == {
                state.header["frame"]
            }
            for packet, region in zip(parts["input"], regions, strict=True):
                assert packet.header["region"] == region["region"]
                scores = classifier.score(decode(packet)).scores
                assert np.allclose(scores, region["scores"], atol=1e-4)
                assert (region["enter"], region["smoothing"]) == (0.5, 0.2)
            assert decode(frame).shape == (60, 80, 3)
            colour = decode(frame).reshape(-1, 3).mean(0).argmax()
            assert colour == np.argmax(regions[0]["scores"])


def test_the_records_are_those_of_the_log(config: Path, path: Path) -> None:
    with start_watch(config) as watch:
        read_events(watch, "change")
        with LiveClient(path) as viewer:
            viewer.request(["records"])
            shown = [viewer.read().header["record"] for _ in range(10)]
        watch.send_signal(signal.SIGTERM)
        assert watch.stdout
        logged = [json.loads(line) for line in watch.stdout]
    first = logged.index(shown[0])
    assert logged[first : first + 10] == shown


def test_it_goes_on_after_a_reload_and_leaves_nothing_at_its_end(config: Path, path: Path) -> None:
    with start_watch(config) as watch:
        read_events(watch, "change")
        with LiveClient(path) as viewer:
            watch.send_signal(signal.SIGHUP)
            with suppress(EOFError, OSError):
                while True:
                    read_parts(viewer, "state")
        read_events(watch, "start")
        read_events(watch, "change")
        with LiveClient(path) as viewer:
            read_parts(viewer, "state")
        watch.send_signal(signal.SIGTERM)
        watch.communicate()
        assert watch.returncode == 0
    assert not path.exists()


def test_the_service_serves_it_without_a_setting(
    write_config: WriteConfig, model: Path, tmp_path: Path
) -> None:
    config = write_config(f'model = "{model}"\ncamera = "synthetic:64x48@10"\njson = true\n')
    with start_watch(config, RUNTIME_DIRECTORY=str(tmp_path)) as watch:
        read_events(watch, "change")
        with LiveClient(tmp_path / "watch.sock") as viewer:
            read_parts(viewer, "frame")


def test_a_service_whose_socket_another_one_has_watches_without(
    write_config: WriteConfig, model: Path, tmp_path: Path
) -> None:
    config = write_config(f'model = "{model}"\ncamera = "synthetic:64x48@10"\njson = true\n')
    with start_watch(config, RUNTIME_DIRECTORY=str(tmp_path)) as first:
        read_events(first, "change")
        with start_watch(config, RUNTIME_DIRECTORY=str(tmp_path)) as second:
            read_events(second, "change")
            second.send_signal(signal.SIGTERM)
            warnings = second.communicate()[1]
        assert "another program serves it; choose another name. The watch goes on" in warnings
        with LiveClient(tmp_path / "watch.sock") as viewer:
            read_parts(viewer, "state")


def test_a_hundred_viewers_that_are_killed_or_never_read_lose_the_watch_nothing(
    config: Path, path: Path
) -> None:
    with start_watch(config) as watch:
        read_events(watch, "change")
        viewers = []
        for number in range(100):
            try:
                viewer = LiveClient(path)
                viewer.request(["records", "frame", "pixels", "state", "input"])
                viewers.append(viewer)
            except (OSError, VedetteError, EOFError):
                pass
            if number % 3 == 0 and viewers:
                viewers.pop(0).close()
            time.sleep(0.02)
        for viewer in viewers:
            viewer.close()
        beats = [read_events(watch, "heartbeat")[-1] for _ in range(3)]
        assert beats[-1]["dropped"] == 0
        assert "outputs" not in beats[-1]
        with LiveClient(path) as viewer:
            wait_until(lambda: read_parts(viewer, "state"))


def test_a_place_where_no_socket_can_be_is_an_error(model: Path, tmp_path: Path) -> None:
    place = tmp_path / "gone" / "watch.sock"
    result = call_vedette("run", model, "--camera", "synthetic:64x48", "--socket", place)
    assert result.exit_code == 1
    assert f"{place}: No such file or directory" in result.stderr
