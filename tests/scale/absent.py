"""An hour of a watch without its broker: its rate, its memory, and what arrives afterwards.

    .venv/bin/python -m tests.scale.absent [--frames 36000] [--turns 3]

The hour is simulated: the real notifier, policy, dispatcher, outbox and client get the records of
36,000 frames, a tenth of them changes with a snapshot of 640x480, as fast as they take them. Pauses
between two attempts to connect are as much shorter. This happens twice in one process, first with a
mosquitto, and then without. Then it starts again. mosquitto_sub has a durable session, so it gets
all that the broker gets.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.edge.mosquitto import DEVICE, Mosquitto, Subscriber, make_config, wait_until
from tests.scale.watches import Still, say

from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.region import WHOLE
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.log.records import create_record
from vedette_edge.mqtt.config import Pauses
from vedette_edge.mqtt.outbox import MOST_EVENTS
from vedette_edge.mqtt.output import MqttOutput
from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.policy import Policy
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks import FanOut
from vedette_edge.watch.dispatcher import Dispatcher, Outputs
from vedette_edge.watch.notifier import Notifier
from vedette_edge.watch.stats import FrameTimings

EACH, HEALTH_EACH = 10, 600  # frames from one change, or one report of health, to the next
PAUSES = Pauses(first_s=0.02, absent_s=0.13, longest_s=2.0, steady_s=0.1)  # an hour in a minute
FILTERS = ("-t", "vedette/+/state", "-t", "vedette/+/event")
MOST_GROWN_MB, PATIENCE_S = 1.0, 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a part of the hour cost the watch."""

    frame_us: float  # wall time that the watch spends in its outputs, per frame; the median
    change_us: float  # the same for a frame with a change
    longest_ms: float
    resident_mb: float  # at the end
    own_mb: float  # the same without what other processes share


@dataclass
class Feed:
    """The part of a watch that has outputs, fed as the watch feeds it."""

    parts: ExitStack
    output: MqttOutput
    number: int = 0
    changes: list[int] = field(default_factory=list)  # frames
    latest: str = ""  # time of the latest change

    def __post_init__(self) -> None:
        self.dispatcher = self.parts.enter_context(Dispatcher(Outputs(mqtt=self.output)))
        policy = Policy([Rule(snapshot=True)], PolicyMemory())
        self._notifier = Notifier(FanOut(), policy, self.dispatcher, lambda: None)
        still = Still(draw_test_pattern(1, 480, 640))
        self._notifier.attach(still, [WHOLE], names_files=False)

    def run(self, frames: int) -> Cost:
        """Feed some frames, each when the outputs have taken the one before."""
        times_us: list[float] = []
        changes_us: list[float] = []
        for _ in range(frames):
            self.number += 1
            is_change = self.number % EACH == 0
            (changes_us if is_change else times_us).append(self._add_frame(is_change))
            while self.dispatcher._queue:
                time.sleep(0.0005)
        time.sleep(0.2)
        longest_ms = max(*times_us, *changes_us) / 1000
        medians = statistics.median(times_us), statistics.median(changes_us)
        return Cost(*medians, longest_ms, *measure_memory())

    def _add_frame(self, is_change: bool) -> float:
        timings = FrameTimings(FrameInfo(self.number, time.time(), 0.0, 1.0, 1.0, 0, b"camera"))
        record = create_record("change") | {"frame": self.number, "score": 0.97, "lasted_s": 1.0}
        record |= {"label": DEVICE.labels[self.number // EACH % 2], "previous": "", "best": "hen"}
        begin_s = time.perf_counter()
        if is_change:
            self._notifier.write(record)
        if self.number % HEALTH_EACH == 0:
            self._notifier.publish(create_record("heartbeat") | {"fps": 10.0})
        self._notifier.add_frame(timings, [])
        self._notifier.check()
        took_us = 1e6 * (time.perf_counter() - begin_s)
        if is_change:
            self.changes.append(self.number)
            self.latest = str(record["time"])
        return took_us

    def wait_until_empty(self) -> None:
        """Wait until the broker has everything."""
        wait_until(lambda: not self.output._outbox.count_waiting(), PATIENCE_S)


def measure_memory() -> tuple[float, float]:
    """Resident and own memory of this process, in MB of 10^6 bytes."""
    text = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text("ascii")
    sizes = {name: int(kb) * 1024 / 1e6 for name, kb in re.findall(r"(?m)^(\w+):\s+(\d+)", text)}
    return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def main(frames: int, turns: int) -> int:
    """Print what each turn found; return 1 if something is not as it must be."""
    failed = False
    for turn in range(turns):
        say(f"turn {turn + 1}")
        with tempfile.TemporaryDirectory() as name, ExitStack() as parts:
            folder = Path(name)
            folder.chmod(0o777)  # mosquitto gives up its rights
            broker = Mosquitto(folder, f"persistence true\npersistence_location {name}/\n")
            broker.start()
            parts.callback(broker.kill)
            failed |= run_turn(broker, parts, frames)
    return int(failed)


def run_turn(broker: Mosquitto, parts: ExitStack, frames: int) -> bool:
    """Feed with the broker, without, and with it again; return true if something failed."""
    subscriber = Subscriber(broker.port, "-c", "-i", "watcher", *FILTERS)
    parts.callback(subscriber.close)
    output = MqttOutput(make_config(broker.port), DEVICE, lambda command: None, PAUSES)
    feed = Feed(parts, output)
    wait_until(lambda: output.read_counters().connected)
    present = feed.run(frames)
    feed.wait_until_empty()
    wait_until(lambda: len(read_events(subscriber)) >= len(feed.changes))
    complete = read_events(subscriber) == feed.changes
    print_cost("broker", present)
    time.sleep(0.5)  # for the confirmations of the subscriber
    subscriber.close()
    broker.stop()
    wait_until(lambda: not output.read_counters().connected)
    before, feed.changes = output.read_counters().dropped, []
    absent = feed.run(frames)
    print_cost("absent", absent)
    grown = max(absent.resident_mb - present.resident_mb, absent.own_mb - present.own_mb)
    dropped = output.read_counters().dropped - before
    kept = check_return(broker, parts, feed)
    say(
        f"grown {grown:+.2f} MB; with the broker all events arrived: {complete}; without it "
        f"{dropped:,} of {len(feed.changes):,} dropped, other losses {feed.dispatcher.dropped}"
    )
    exact = dropped == max(0, len(feed.changes) - MOST_EVENTS) and not feed.dispatcher.dropped
    return not (complete and kept and exact and grown <= MOST_GROWN_MB)


def check_return(broker: Mosquitto, parts: ExitStack, feed: Feed) -> bool:
    """Start the broker again; return true if the newest state and the newest events arrive."""
    broker.start()
    begin_s = time.monotonic()
    subscriber = Subscriber(broker.port, "-c", "-i", "watcher", *FILTERS)
    parts.callback(subscriber.close)
    wait_until(lambda: feed.output.read_counters().connected, PATIENCE_S)
    connected_s = time.monotonic()
    wait_until(lambda: find_state(subscriber) == feed.latest, PATIENCE_S)
    state_s = time.monotonic()
    feed.wait_until_empty()
    empty_s = time.monotonic()
    wait_until(lambda: len(read_events(subscriber)) >= MOST_EVENTS)
    time.sleep(0.5)  # for more than there must be
    events = read_events(subscriber)
    states = [
        json.loads(data)["since"]
        for retained, name, data in subscriber.messages
        if name.endswith("/state") and not retained  # the broker has kept an old one
    ]
    right = events == feed.changes[-MOST_EVENTS:] and set(states) == {feed.latest}
    say(
        f"connected after {connected_s - begin_s:.2f} s, then state {state_s - connected_s:.3f} s, "
        f"all {empty_s - connected_s:.3f} s; newest {len(events)} events in order: {right}"
    )
    return right


def read_events(subscriber: Subscriber) -> list[int]:
    """Read the frames of the events that arrived."""
    payloads = subscriber.payloads("vedette/door-pi/event")
    return [json.loads(payload)["frame"] for payload in payloads]


def find_state(subscriber: Subscriber) -> str:
    """Find the time of the latest state."""
    payloads = subscriber.payloads("vedette/door-pi/state")
    return str(json.loads(payloads[-1])["since"]) if payloads else ""


def print_cost(name: str, cost: Cost) -> None:
    """Print what a part cost."""
    say(
        f"{name}: frame {cost.frame_us:.1f} us, with a change {cost.change_us:.1f} us, longest "
        f"{cost.longest_ms:.1f} ms; resident {cost.resident_mb:.2f} MB, own {cost.own_mb:.2f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An hour without a broker")
    parser.add_argument("--frames", type=int, default=36_000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    sys.exit(main(arguments.frames, arguments.turns))
