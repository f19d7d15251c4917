"""The link between the watch and its viewers: hands them frames while they ask for some."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import SharedPicture
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.server import LiveServer
from vedette_edge.model.classifier import Scores
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.score_recorder import ScoreRecorder
from vedette_edge.watch.stats import FrameTimings, RegionState


class LiveView:
    """Hands frames of a watch to the socket. For the watch's thread."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._requested = False  # an original
        self._recorder: ScoreRecorder | None = None  # where there is a page to show its scores

    def attach(self, watch: Watch) -> Watch:
        """Return the watch with a hook that looks for viewers after each frame."""
        before = watch.on_frame
        if any(region.smoother for region in watch.regions):
            self._server.set_thresholds = watch.controls.set_thresholds
            if find_spec("starlette"):  # the page's extra is here
                self._recorder = ScoreRecorder(watch.regions)
                self._server.create_score_history = self._recorder.create_packet

        def on_frame(timings: FrameTimings) -> None:
            before(timings)
            self._add_frame(watch, timings)

        def on_check() -> None:
            watch.on_check()
            if self._recorder and not watch.controls.paused and not watch.camera.lost_s:
                self._recorder.add(time.monotonic())

        add_frame = partial(self._add_frame, watch)
        return replace(watch, on_frame=on_frame, on_unclassified=add_frame, on_check=on_check)

    def _add_frame(self, watch: Watch, timings: FrameTimings) -> None:
        wants_picture = self._server.wants_picture
        if self._requested and not wants_picture:  # its viewer has gone
            watch.camera.cancel_request()
            self._requested = False
        original = self._find_original(watch.camera) if wants_picture else None
        if original or self._server.wants_scores:
            self._server.put_frame(_copy_frame(timings, watch.regions, original))

    def _find_original(self, camera: Supervisor) -> SharedPicture | None:
        """Find the frame's original; if it is not here, ask for that of one of the next frames."""
        original = camera.lend_original()
        self._requested = original is None
        if self._requested:
            camera.request_original()
        return original


def _copy_frame(
    timings: FrameTimings, regions: Sequence[RegionState], original: SharedPicture | None
) -> LiveFrame:
    """Copy a frame, whose arrays the watch uses again, but for its original."""
    info = timings.info
    age_ms = 1000 * (time.monotonic() - info.taken_s)
    copied = _copy_regions(timings, regions)
    return LiveFrame(info.number, info.seen_at, age_ms, original, copied)


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
