"""Many senders on one broker: what arrives of their changes, and what it costs.

    .venv/bin/python -m tests.scale.senders [--seconds 600] [--senders 200] [--every 3]

Run it where the checkout is. A watch on a drawn video records its changes. Each sender has the real
notifier, policy, dispatcher, outbox and client, and replays that recording to one mosquitto, from
another place of it, with a snapshot of 640x480 at each change. A rule lets two of the three labels
through. One mosquitto_sub counts the events by device and frame.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.edge.mosquitto import (
    DEVICE,
    Mosquitto,
    list_retained,
    make_config,
    subscribe,
    wait_until,
)
from tests.edge.video_files import write_video
from tests.scale.watches import COLOURS, COLOURS_RGB, Still, say

from vedette_edge.benchmark.recorder import ProcessUsage
from vedette_edge.capture.region import WHOLE
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.log.records import format_timestamp
from vedette_edge.mqtt.output import MqttOutput
from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.policy import Policy
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks import FanOut
from vedette_edge.watch.dispatcher import Dispatcher, Outputs
from vedette_edge.watch.notifier import Notifier

PROCESSES = 4
RETAINED = ("available", "snapshot", "state")
TOLD = ("red", "green")
SEGMENTS, FRAMES = 60, 2  # of the video
EMPTY_S = 60.0  # for the outboxes at the end


@dataclass
class Sender:
    """One device, and what it has sent."""

    name: str
    port: int
    parts: ExitStack
    place: int  # in the recording
    number: int = 0  # of the frame
    due_s: float = 0.0
    expected: list[int] = field(default_factory=list)  # frames of the events
    last: str = ""  # time of the last change

    def __post_init__(self) -> None:
        config = make_config(self.port, device_id=self.name)
        self.output = MqttOutput(config, DEVICE, lambda command: None)
        self.dispatcher = self.parts.enter_context(Dispatcher(Outputs(mqtt=self.output)))
        policy = Policy([Rule(labels=TOLD, snapshot=True)], PolicyMemory())
        self._notifier = Notifier(FanOut(), policy, self.dispatcher, lambda: None)
        still = Still(draw_test_pattern(self.place, 480, 640))
        self._notifier.attach(still, [WHOLE], names_files=False)

    def send(self, changes: Sequence[dict[str, Any]]) -> None:
        """Send the next change of the recording, as of now."""
        self.place, self.number = (self.place + 1) % len(changes), self.number + 1
        now = {"time": format_timestamp(), "frame": self.number}
        record = changes[self.place] | now
        if record["label"] in TOLD:
            self.expected.append(self.number)
        self.last = str(now["time"])
        self._notifier.write(record)

    @property
    def waiting(self) -> int:
        """Messages that are not at the broker."""
        return self.output._outbox.count_waiting()


def main(seconds: float, senders: int, every_s: float) -> int:
    """Print what was sent and what arrived; return 1 if anything is missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = record_changes(folder)
        say(f"{len(changes)} changes recorded")
        # mosquitto drops what waits for a subscriber that falls behind, from 1,000 messages on.
        broker = Mosquitto(folder, "persistence false\nmax_queued_messages 0")
        broker.start()
        try:
            return measure(broker, changes, (seconds, senders, every_s))
        finally:
            broker.kill()


def record_changes(folder: Path) -> list[dict[str, Any]]:
    """Record the changes of a watch on a drawn video."""
    colours_rgb = random.Random(1).choices(COLOURS_RGB, k=SEGMENTS)
    frames = [np.full((60, 80, 3), one, np.uint8) for one in colours_rgb for _ in range(FRAMES)]
    video = write_video(folder / "clip.avi", frames)
    command = [sys.executable, "-m", "vedette_edge", "run", str(COLOURS), "--camera", str(video)]
    flags = ["--json", "--live", "--smoothing", "0", "--dwell", "0"]
    done = subprocess.run([*command, *flags], capture_output=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [record for record in records if record["event"] == "change"]


def measure(
    broker: Mosquitto, changes: list[dict[str, Any]], plan: tuple[float, int, float]
) -> int:
    """Run all senders, and compare what they sent with what arrived."""
    with subscribe(broker.port, "-t", "vedette/+/event") as listener:
        time.sleep(1)  # for its subscription
        workers = [start_worker(broker.port, changes, plan, part) for part in range(PROCESSES)]
        time.sleep(min(10.0, plan[0] / 2))
        pids = [broker.process.pid, *(worker.pid for worker in workers)]
        begun, begun_s = list(map(ProcessUsage.measure, pids)), time.monotonic()
        devices = {name: one for worker in workers for name, one in read_report(worker).items()}
        ended, took_s = list(map(ProcessUsage.measure, pids)), time.monotonic() - begun_s
        kept = list_retained(broker.port)
        print_usage(
            [(b.cpu_s - a.cpu_s) / took_s for a, b in zip(begun, ended, strict=True)], ended
        )
        expected = sum(len(one["expected"]) for one in devices.values())
        with suppress(AssertionError):  # the comparison tells
            wait_until(lambda: len(listener.messages) >= expected)
        for worker in workers:
            worker.communicate("\n", timeout=60)
        arrived = [
            (topic.split("/")[1], json.loads(payload)["frame"])
            for _, topic, payload in listener.messages
        ]
    return compare(devices, arrived, kept)


def print_usage(shares: list[float], usages: list[ProcessUsage]) -> None:
    """Print what the broker and the senders needed; the broker is the first."""
    say(f"broker: {shares[0]:.1%} of a core, {usages[0].rss_mb:.1f} MB")
    memory = ", ".join(f"{one.rss_mb:.0f}" for one in usages[1:])
    say(f"senders: {sum(shares[1:]):.1%} of a core together; processes of {memory} MB")


def compare(
    devices: dict[str, dict[str, Any]], arrived: list[tuple[str, int]], kept: dict[str, bytes]
) -> int:
    """Print the differences; return 1 if there are any."""
    sent = [(name, frame) for name, one in devices.items() for frame in one["expected"]]
    counts = Counter(arrived)
    lost, twice = set(sent) - set(counts), sum(number - 1 for number in counts.values())
    order = {name: [frame for one, frame in arrived if one == name] for name in devices}
    disorder = sum(frames != sorted(frames) for frames in order.values())
    states = {name: json.loads(kept[f"vedette/{name}/state"]) for name in devices}
    topics = {f"vedette/{name}/{one}" for name in devices for one in RETAINED}
    missing = len(topics - set(kept))
    stale = sum(states[name]["since"] != one["last"] for name, one in devices.items())
    waiting = sum(one["waiting"] for one in devices.values())
    dropped = sum(one["dropped"] for one in devices.values())
    changes = sum(one["changes"] for one in devices.values())
    confirmed = sum(one["sent"] for one in devices.values())
    say(f"{len(devices)} devices, {changes:,} changes, {confirmed:,} messages confirmed")
    say(f"events: {len(sent):,} sent, {len(arrived):,} arrived, {len(lost)} lost, {twice} twice")
    say(f"{disorder} devices out of order, {stale} of {len(states)} retained states not the newest")
    say(f"outboxes at the end: {waiting} messages wait, {dropped} dropped")
    say(f"{missing} retained topics are missing")
    return int(bool(lost or disorder or stale or waiting or dropped or missing))


def start_worker(
    port: int, changes: list[dict[str, Any]], plan: tuple[float, int, float], part: int
) -> "subprocess.Popen[str]":
    """Start a process with its part of the senders."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.scale.senders", "--worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin
    worker.stdin.write(json.dumps([port, changes, plan, part]) + "\n")
    worker.stdin.flush()
    return worker


def read_report(worker: "subprocess.Popen[str]") -> dict[str, dict[str, Any]]:
    """Read what a process says of its senders at the end."""
    assert worker.stdout
    return dict(json.loads(worker.stdout.readline()))


def work() -> None:
    """Send what the first line on standard input asks for; end at the second."""
    port, changes, (seconds, count, every_s), part = json.loads(sys.stdin.readline())
    names = [f"pi-{number:03}" for number in range(count) if number % PROCESSES == part]
    with ExitStack() as parts:
        senders = [
            Sender(name, port, parts, random.randrange(len(changes)), due_s=time.monotonic())
            for name in names
        ]
        replay(senders, changes, seconds, every_s)
        limit_s = time.monotonic() + EMPTY_S
        while any(one.waiting for one in senders) and time.monotonic() < limit_s:
            time.sleep(0.1)
        say(json.dumps({one.name: describe(one) for one in senders}))
        sys.stdin.readline()


def replay(
    senders: list[Sender], changes: Sequence[dict[str, Any]], seconds: float, every_s: float
) -> None:
    """Let each sender send at random intervals around `every_s`."""
    end_s = time.monotonic() + seconds
    for sender in senders:
        sender.due_s += random.uniform(0, 2 * every_s)
    while (now_s := time.monotonic()) < end_s:
        for sender in senders:
            if sender.due_s <= now_s:
                sender.send(changes)
                sender.due_s = now_s + random.uniform(0, 2 * every_s)
        time.sleep(0.01)
    time.sleep(2)  # for the dispatchers


def describe(sender: Sender) -> dict[str, object]:
    """Describe what a sender has sent."""
    counters = sender.output.read_counters()
    return {
        "expected": sender.expected,
        "last": sender.last,
        "changes": sender.number,
        "waiting": sender.waiting,
        "sent": counters.sent,
        "dropped": counters.dropped + sender.dispatcher.dropped,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Many senders on one broker")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--senders", type=int, default=200)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between changes")
    parser.add_argument("--worker", action="store_true")
    arguments = parser.parse_args()
    if arguments.worker:
        work()
    else:
        sys.exit(main(arguments.seconds, arguments.senders, arguments.every))
