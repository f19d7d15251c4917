"""A watch that a test directs, its page, and a browser that looks at it."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.edge.live.frames import share
from tests.edge.page.conftest import Page, start_page

from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.server import LiveServer

RULES = {"enter": 0.5, "leave": 0.35, "dwell": 1.0, "smoothing": 1.0}
METRICS: dict[str, Any] = {
    "build": {"version": "1", "interpreter": "x", "model": "hens.tflite", "model_sha256": "0"},
    "started_at": 1.8e9,
    "frames": {"classified": 10, "dropped": 0, "skipped": 0},
    "age": {"edges": [1.0], "counts": [10, 0], "sum": 0.2},
    "camera": {"up": True, "losses": 0},
    "log": {"dropped": 0},
    "outputs": {},
    "health": {"temperature_c": 61.2, "now": [], "before": []},
}


@dataclass
class Director:
    """A watch's socket, of which a test says what it shows, ten times a second."""

    server: LiveServer
    labels: Sequence[str]
    regions: Sequence[str]
    metrics: dict[str, Any]
    scores: NDArray[np.float32]
    label: str
    number: int = 0
    paused: bool = False
    rules: dict[str, float] = field(default_factory=RULES.copy)

    def show(self) -> None:
        """Show the next frame, if somebody looks."""
        self.number += 1
        if self.paused or not (self.server.wants_scores or self.server.wants_picture):
            return
        picture = share(self.number, draw_test_pattern(self.number, 240, 320))
        input_rgb = draw_test_pattern(1, 96, 96)
        regions = [
            LiveRegion(name, input_rgb, self.scores, self.scores, self.label, 4.2, self.rules)
            for name in self.regions
        ]
        self.server.put_frame(LiveFrame(self.number, time.time(), 12.3, picture, regions))


@contextmanager
def direct(
    path: Path,
    labels: Sequence[str],
    regions: Mapping[str, str],
    hello: Mapping[str, object],
    *options: str,
) -> Iterator[tuple[Director, Page]]:
    """Open a socket and a page for it. `regions` are their places by name, as --region has them."""
    settings = {"regions": [f"{name}={place}" for name, place in regions.items() if name]}
    fields = {"labels": list(labels), "regions": list(regions), "settings": settings, **hello}
    metrics, scores = dict(METRICS), np.linspace(0.9, 0.01, len(labels), dtype=np.float32)
    ended = threading.Event()
    with LiveServer(path, fields, lambda: metrics) as server:
        director = Director(server, labels, list(regions), metrics, scores, labels[0])

        def run() -> None:
            while not ended.wait(0.1):
                director.show()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            with start_page("--socket", path, *options) as page:
                yield director, page
        finally:
            ended.set()
            thread.join()
