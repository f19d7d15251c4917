"""The link between the watch and its viewers: hands them frames while they ask for some."""

import time
from collections.abc import Sequence
from dataclasses import replace

from vedette_edge.images.preprocessing import Image
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.server import LiveServer
from vedette_edge.model.classifier import Scores
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.stats import FrameTimings, RegionState


class LiveView:
    """Hands frames of a watch to the socket. For the watch's thread."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server

    def attach(self, watch: Watch) -> Watch:
        """Return the watch with a hook that looks for viewers after each frame."""
        before = watch.on_frame

        def on_frame(timings: FrameTimings) -> None:
            before(timings)
            self._add_frame(watch, timings)

        return replace(watch, on_frame=on_frame)

    def _add_frame(self, watch: Watch, timings: FrameTimings) -> None:
        if not self._server.wants_frame:
            return
        original = None
        if self._server.wants_picture:
            original = watch.camera.copy_original()
            if original is None:  # one of the next frames has it
                watch.camera.request_original()
        image_rgb = original.image_rgb if original else None
        self._server.put_frame(_copy_frame(timings, watch.regions, image_rgb))


def _copy_frame(
    timings: FrameTimings, regions: Sequence[RegionState], image_rgb: Image | None
) -> LiveFrame:
    """Copy a frame, whose arrays the watch uses again."""
    info = timings.info
    age_ms = 1000 * (time.monotonic() - info.taken_s)
    copied = _copy_regions(timings, regions)
    return LiveFrame(info.number, info.seen_at, age_ms, image_rgb, copied)


def _copy_regions(timings: FrameTimings, regions: Sequence[RegionState]) -> list[LiveRegion]:
    assert timings.crops is not None  # the watch has them
    scores = timings.scores or [None] * len(regions)  # of a paused watch
    return [
        _copy_region(region, crop.copy(), one, timings.info.taken_s)
        for region, crop, one in zip(regions, timings.crops, scores, strict=True)
    ]


def _copy_region(
    region: RegionState, input_rgb: Image, scores: Scores | None, now_s: float
) -> LiveRegion:
    smoother = region.smoother
    if not smoother:  # each frame is classified alone
        return LiveRegion(region.region, input_rgb, scores, None, "", 0.0, {})
    stands_s, rules = max(0.0, now_s - smoother.since_s), smoother.rules
    smoothed = smoother.smoothed
    return LiveRegion(region.region, input_rgb, scores, smoothed, smoother.label, stands_s, rules)
