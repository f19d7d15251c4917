"""Fixtures of the command line's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.edge.cli.vedette_on import On, create_change
from tests.edge.conftest import WriteConfig
from tests.edge.logging_now import LIMITS, wait_until
from tests.edge.mosquitto import Mosquitto, Subscriber
from tests.edge.video_files import write_video

from vedette_edge.sinks.log_file import LogFile


@pytest.fixture
def on(tmp_path: Path) -> Iterator[On]:
    on = On(tmp_path)
    yield on
    if hasattr(on, "process"):
        on.process.kill()
        on.process.wait()


@pytest.fixture
def watch(on: On) -> Iterator[LogFile]:
    """The log of a watch that has already seen a fox."""
    with LogFile(on.log, LIMITS) as watch:
        watch.write(create_change("fox"))
        wait_until(lambda: on.log.exists() and on.log.stat().st_size > 0)
        yield watch


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds each of red, green and blue."""
    colours_bgr = ((0, 0, 220), (0, 220, 0), (220, 0, 0))
    frames = [np.full((60, 80, 3), one, np.uint8) for one in colours_bgr for _ in range(20)]
    return write_video(tmp_path / "clip.avi", frames)


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    """Hears everything on the broker."""
    one = Subscriber(broker.port)
    yield one
    one.close()


Configure = Callable[[str], Path]


@pytest.fixture
def configure(write_config: WriteConfig, model: Path, clip: Path, broker: Mosquitto) -> Configure:
    """Writes a configuration of a watch with a broker."""

    def write(more: str) -> Path:
        text = (
            f'model = "{model}"\ncamera = "{clip}"\nlive = true\nloop = true\njson = true\n'
            f'smoothing = 0.0\ndwell = 0.0\nmqtt = "mqtt://127.0.0.1:{broker.port}"\n'
            f'mqtt_id = "door-pi"\n{more}'
        )
        return write_config(text)

    return write
