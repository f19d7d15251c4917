"""The gate between the watch and its outputs: asks the policy, and takes the snapshot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from vedette_edge.capture.frame_buffer import GAP_S
from vedette_edge.capture.originals import Original, Originals
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.log.records import Record, format_timestamp
from vedette_edge.policy.policy import Notification, Occurrence, Policy
from vedette_edge.policy.rule import EVENTS
from vedette_edge.sinks import Sink
from vedette_edge.sinks.snapshot import Snapshot
from vedette_edge.sinks.snapshot_files import create_snapshot_name
from vedette_edge.watch.dispatcher import Delivery, Dispatcher
from vedette_edge.watch.stats import FrameTimings, RegionState

# Frames that are on their way when originals are needed again, in intervals between two frames.
ON_THEIR_WAY = 4


class OriginalSource(Protocol):
    """The camera, of which a Notifier needs originals."""

    def keep_originals(self, needed: Originals) -> None: ...
    def copy_original(self) -> Original | None: ...


class Notifier:
    """The sink of a watch with outputs: decides about each record before the log gets it."""

    def __init__(
        self, sink: Sink, policy: Policy, dispatcher: Dispatcher, on_sent: Callable[[], None]
    ) -> None:
        """`on_sent` is called after the policy let something through."""
        self._sink, self._policy, self._dispatcher = sink, policy, dispatcher
        self._on_sent = on_sent
        self._source: OriginalSource | None = None  # None: no rule needs an original
        self._taken_s = 0.0  # time of the latest frame
        self._regions: Mapping[str, Region] = {}
        self._names_files = False

    def attach(
        self, source: OriginalSource, regions: Sequence[Region], *, names_files: bool
    ) -> None:
        """Take originals from here. With `names_files`, a change names its snapshot's file."""
        self._source, self._names_files = source, names_files
        self._regions = {region.name: region for region in regions}
        source.keep_originals(Originals.ALL)

    def write(self, record: Mapping[str, object]) -> None:
        """Decide about a record, pass it on to the log, and to the outputs."""
        if record["event"] not in EVENTS:
            self._sink.write(record)
            return
        occurrence = self._create_occurrence(dict(record))
        notifications = self._policy.add(occurrence)
        own = [one for one in notifications if one.occurrence is occurrence]
        if self._names_files and occurrence.snapshot and any(one.rule.snapshot for one in own):
            occurrence.record["snapshot"] = create_snapshot_name(occurrence.record)
        self._sink.write(occurrence.record)
        self._put(occurrence, notifications)

    def add_frame(self, timings: FrameTimings, regions: Sequence[RegionState]) -> None:
        """Say which originals are needed next; let labels' scores rise, where a rule waits."""
        if self._source:
            self._source.keep_originals(self._find_needed(timings.info.taken_s, regions))
        if not self._policy.waits_for_score:
            return
        for region in regions:
            score = region.smoother.score if region.smoother else None
            if score is not None:
                self._add_score(timings, region.region, score)

    def _find_needed(self, taken_s: float, regions: Sequence[RegionState]) -> Originals:
        """Find which originals may be needed: none while no label can change, however it looks.

        After a gap, a frame can change a label at once.
        """
        interval_s, self._taken_s = taken_s - self._taken_s, taken_s
        until_s = taken_s + max(GAP_S, ON_THEIR_WAY * interval_s)
        is_calm = not any(self._can_notify(region, until_s) for region in regions)
        return Originals.AFTER_GAPS if is_calm else Originals.ALL

    def _can_notify(self, region: RegionState, until_s: float) -> bool:
        """True if a frame up to this time could change a label, or raise it to an awaited score."""
        if not region.smoother:
            return False
        awaited = self._policy.find_awaited_score(region.region)
        reaches = awaited is not None and region.smoother.can_reach(awaited, until_s)
        return reaches or region.smoother.can_change_by(until_s)

    def expect_changes(self) -> None:
        """Keep the originals of the frames to come, as thresholds have changed."""
        if self._source:
            self._source.keep_originals(Originals.ALL)

    def _add_score(self, timings: FrameTimings, region: str, score: float) -> None:
        """Let the score of a region's label rise; compress the picture if its rule still waits."""
        described: dict[int, Occurrence] = {}  # by change: several rules may wait with it

        def describe(record: Record) -> Occurrence:
            if id(record) not in described:
                described[id(record)] = self._describe_frame(timings, score, record)
            return described[id(record)]

        self._send(self._policy.add_score(region, score, describe))
        for occurrence in described.values():
            if occurrence.snapshot and self._policy.holds(occurrence):
                self._dispatcher.put(Delivery(waiting=occurrence.snapshot))

    def check(self) -> None:
        """Send what is due because a label has stood long enough."""
        self._send(self._policy.take_due())

    def publish(self, record: Record) -> None:
        """Pass a record on to the outputs alone."""
        self._dispatcher.put(Delivery(record))

    def _create_occurrence(self, record: Record) -> Occurrence:
        """Create the occurrence of a record, with the original of a change's frame."""
        has_frame = self._source and record["event"] == "change"
        original = self._source.copy_original() if self._source and has_frame else None
        if original is None or not self._dispatcher.has_room():
            return Occurrence(record)
        region = self._regions.get(record.get("region", ""), WHOLE)
        edges = region.x, region.y, region.width, region.height
        x, y, width, height = (round(original.scale * edge) for edge in edges)
        return Occurrence(record, Snapshot(original.image_rgb, record, (x, y, width, height)))

    def _describe_frame(self, timings: FrameTimings, score: float, record: Record) -> Occurrence:
        """Describe a frame in which a label's score is high enough, by the record of its change."""
        time_of_frame = format_timestamp(timings.info.seen_at)
        frame = {"time": time_of_frame, "frame": timings.info.number, "score": round(score, 4)}
        alone = ("frame_score", "snapshot")  # of the change
        kept = {name: value for name, value in record.items() if name not in alone}
        return self._create_occurrence(kept | frame)

    def _put(self, occurrence: Occurrence, notifications: Sequence[Notification]) -> None:
        waiting = occurrence.snapshot if self._policy.holds(occurrence) else None
        self._dispatcher.put(Delivery(occurrence.record, notifications, waiting))
        if notifications:
            self._on_sent()

    def _send(self, notifications: Sequence[Notification]) -> None:
        """Send notifications of earlier records."""
        if notifications:
            self._dispatcher.put(Delivery(notifications=notifications))
            self._on_sent()
