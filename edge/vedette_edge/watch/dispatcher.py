"""Hands records and notifications to the outputs, in a thread of its own."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette_edge.log.records import Record
from vedette_edge.policy.policy import Notification
from vedette_edge.sinks.snapshot import Snapshot
from vedette_edge.sinks.snapshot_files import create_snapshot_name
from vedette_edge.sinks.snapshot_folder import SnapshotFolder
from vedette_edge.sinks.webhook import WebhookSender

MOST_DELIVERIES = 100  # waiting; the oldest is dropped
MOST_ORIGINALS = 8  # waiting to be compressed; further snapshots are dropped
CLOSE_S = 0.8  # to wait for all outputs at the end

if TYPE_CHECKING:  # paho-mqtt is an extra
    from vedette_edge.mqtt.output import MqttOutput

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a watch; None for those that are not configured."""

    mqtt: "MqttOutput | None" = None
    webhooks: WebhookSender | None = None
    snapshots: SnapshotFolder | None = None
    marked: bool = False  # a second copy of each snapshot has its region drawn


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record for the outputs that get all, and the notifications that it causes."""

    record: Record | None = None
    notifications: Sequence[Notification] = ()
    waiting: Snapshot | None = None  # of a rule that waits: compressed now, and sent later

    @property
    def sent(self) -> set[Snapshot]:
        """The snapshots that are sent now."""
        snapshots = (one.occurrence.snapshot for one in self.notifications if one.rule.snapshot)
        return {snapshot for snapshot in snapshots if snapshot}

    @property
    def snapshots(self) -> set[Snapshot]:
        """The snapshots that are needed now or later."""
        return self.sent | ({self.waiting} if self.waiting else set())


class Dispatcher:
    """Compresses snapshots, and passes each delivery on to the outputs. Use it with `with`."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._queue: deque[Delivery] = deque()
        self._originals = 0  # in the queue
        self._closing = False
        self.dropped = 0  # deliveries, and snapshots
        self._done: deque[tuple[str, object]] = deque(maxlen=MOST_DELIVERIES)
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def __enter__(self) -> "Dispatcher":
        if self._outputs.mqtt:
            self._outputs.mqtt.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def has_room(self) -> bool:
        """True if there is room for another original; counts one that there is no room for."""
        if self._originals < MOST_ORIGINALS:
            return True
        self.dropped += 1
        return False

    def put(self, delivery: Delivery) -> None:
        """Queue a delivery. Never waits."""
        with self._lock:
            if len(self._queue) >= MOST_DELIVERIES:
                self._count_out(self._queue.popleft())
                self.dropped += 1
            self._queue.append(delivery)
            self._originals += len(delivery.snapshots)
            self._lock.notify()

    def close(self) -> None:
        """Deliver what waits, and close the outputs. Takes CLOSE_S at most."""
        until_s = time.monotonic() + CLOSE_S
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(CLOSE_S / 2)
        for output in (self._outputs.snapshots, self._outputs.webhooks):  # a disk is quicker
            if output:
                output.close(until_s)
        if self._outputs.mqtt:
            self._outputs.mqtt.close()

    def _count_out(self, delivery: Delivery) -> None:
        self._originals -= len(delivery.snapshots)

    def _run(self) -> None:
        while delivery := self._take():
            try:
                self._deliver(delivery)
            except Exception:  # a fault in one output must not silence the others
                logger.exception("an output failed; the watch goes on")

    def _take(self) -> Delivery | None:
        with self._lock:
            self._lock.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            delivery = self._queue.popleft()
            self._count_out(delivery)
            return delivery

    def _deliver(self, delivery: Delivery) -> None:
        full = bool(self._outputs.snapshots or self._outputs.webhooks)
        for snapshot in delivery.snapshots:
            small, marked = bool(self._outputs.mqtt), self._outputs.marked
            snapshot.compress(full=full, small=small, marked=marked)
        for snapshot in delivery.sent:
            self._keep(snapshot)
        self._publish(delivery)
        for notification in delivery.notifications:
            self._post(notification)

    def _keep(self, snapshot: Snapshot) -> None:
        if self._outputs.snapshots and self._is_new("snapshots", snapshot.record):
            name = create_snapshot_name(snapshot.record)
            self._outputs.snapshots.write(name, snapshot.full)
            if snapshot.marked:
                self._outputs.snapshots.write(name.replace(".jpg", "-region.jpg"), snapshot.marked)

    def _publish(self, delivery: Delivery) -> None:
        """Publish to the broker: of one change the snapshot, then the state, then the event."""
        if not (mqtt := self._outputs.mqtt):
            return
        occurrences = {id(one.occurrence): one.occurrence for one in delivery.notifications}
        pictures = {id(snapshot): snapshot.small for snapshot in delivery.sent}
        if delivery.record:
            own = [one for one in occurrences.values() if one.record is delivery.record]
            jpeg = pictures.get(id(own[0].snapshot)) if own else None
            notify = bool(own) and self._is_new("mqtt", delivery.record)
            mqtt.write(delivery.record, jpeg, notify=notify)
        for occurrence in occurrences.values():
            if self._is_new("mqtt", occurrence.record):
                mqtt.notify(occurrence.record, pictures.get(id(occurrence.snapshot)))

    def _is_new(self, output: str, record: object) -> bool:
        """True for a record that the output has not had because of another rule."""
        if any(output == its and record is one for its, one in self._done):
            return False
        self._done.append((output, record))
        return True

    def _post(self, notification: Notification) -> None:
        occurrence, rule = notification.occurrence, notification.rule
        if rule.webhook and self._outputs.webhooks:
            jpeg = occurrence.snapshot.full if rule.snapshot and occurrence.snapshot else None
            self._outputs.webhooks.send(rule.webhook, occurrence.record, jpeg or None)
