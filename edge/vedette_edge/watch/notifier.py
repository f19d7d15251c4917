"""The gate between the watch and its outputs: asks the policy, and takes the snapshot."""

from collections.abc import Callable, Mapping, Sequence

from vedette_edge.capture.region import Region
from vedette_edge.images.preprocessing import Image
from vedette_edge.log.records import Record, format_timestamp
from vedette_edge.policy.policy import Notification, Occurrence, Policy
from vedette_edge.policy.rule import EVENTS
from vedette_edge.sinks import Sink
from vedette_edge.sinks.snapshot import Snapshot
from vedette_edge.sinks.snapshot_files import create_snapshot_name
from vedette_edge.watch.dispatcher import Delivery, Dispatcher
from vedette_edge.watch.stats import FrameTimings, RegionState

CopyOriginal = Callable[[], Image | None]


class Notifier:
    """The sink of a watch with outputs: decides about each record before the log gets it."""

    def __init__(
        self, sink: Sink, policy: Policy, dispatcher: Dispatcher, on_sent: Callable[[], None]
    ) -> None:
        """`on_sent` is called after the policy let something through."""
        self._sink, self._policy, self._dispatcher = sink, policy, dispatcher
        self._on_sent = on_sent
        self._copy_original: CopyOriginal = lambda: None
        self._regions: Mapping[str, Region] = {}
        self._names_files = False

    def attach(
        self, copy_original: CopyOriginal, regions: Sequence[Region], *, names_files: bool
    ) -> None:
        """Set where originals come from. With `names_files`, a change names its snapshot's file."""
        self._copy_original, self._names_files = copy_original, names_files
        self._regions = {region.name: region for region in regions}

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
        """Let labels' scores rise, where a rule waits for one."""
        if not self._policy.waits_for_score:
            return
        for region in regions:
            score = region.smoother.score if region.smoother else None
            if score is not None:
                describe = self._create_describe(timings, score)
                self._send(self._policy.add_score(f"region {region.region}", score, describe))

    def check(self) -> None:
        """Send what is due because a label has stood long enough."""
        self._send(self._policy.take_due())

    def publish(self, record: Record) -> None:
        """Pass a record on to the outputs alone."""
        self._dispatcher.put(Delivery(record))

    def _create_occurrence(self, record: Record) -> Occurrence:
        """Create the occurrence of a record, with the original of a change's frame."""
        image_rgb = self._copy_original() if record["event"] == "change" else None
        if image_rgb is None or not self._dispatcher.has_room():
            return Occurrence(record)
        region = self._regions.get(record.get("region", ""), Region(""))
        rectangle = region.x, region.y, region.width, region.height
        return Occurrence(record, Snapshot(image_rgb, record, rectangle))

    def _create_describe(
        self, timings: FrameTimings, score: float
    ) -> Callable[[Record], Occurrence]:
        """Describe a frame in which a label's score is high enough, by the record of its change."""

        def describe(record: Record) -> Occurrence:
            time_of_frame = format_timestamp(timings.info.seen_at)
            frame = {"time": time_of_frame, "frame": timings.info.number, "score": round(score, 4)}
            alone = ("frame_score", "snapshot")  # of the change
            kept = {name: value for name, value in record.items() if name not in alone}
            return self._create_occurrence(kept | frame)

        return describe

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
