"""Settings that arrive at `vedette run` over MQTT: applied, kept, and named at the next start."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.edge.cli.conftest import Configure
from tests.edge.mosquitto import ROOT, Mosquitto, Subscriber, wait_until
from tests.edge.vedette_command import start_watch


class Remote:
    """Home Assistant's part: sends commands, and sees the settings."""

    def __init__(self, port: int, seen: Subscriber) -> None:
        self._port, self._seen = port, seen

    def send(self, name: str, payload: str) -> None:
        topic = f"{ROOT}/set/{name}"
        command = ["mosquitto_pub", "-p", str(self._port), "-t", topic, "-m", payload]
        subprocess.run(command, check=True)

    def count_states(self) -> int:
        return len(self._seen.payloads(f"{ROOT}/state"))

    def wait_for(self, name: str, value: object, times: int = 1) -> None:
        """Wait until the settings were published with a value so many times."""

        def is_there() -> bool:
            settings = map(json.loads, self._seen.payloads(f"{ROOT}/settings"))
            return [one.get(name) for one in settings].count(value) >= times

        wait_until(is_there)


def test_a_threshold_that_arrives_is_kept_and_named_at_the_next_start(
    configure: Configure, broker: Mosquitto, tmp_path: Path, subscriber: Subscriber
) -> None:
    config, remote = configure(""), Remote(broker.port, subscriber)
    with start_watch(config, STATE_DIRECTORY=str(tmp_path)) as watch:
        wait_until(remote.count_states)
        remote.send("enter", "0.77")
        remote.wait_for("enter", 0.77)
        remote.send("leave", "0.9")  # above enter
        remote.wait_for("leave", 0.35, times=3)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(10) == 0
    kept = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    assert kept == {"enter": 0.77}
    with start_watch(config, STATE_DIRECTORY=str(tmp_path)) as watch:
        assert watch.stdout
        start = json.loads(watch.stdout.readline())
        assert start["overrides"] == {"enter": 0.77}
        assert start["settings"]["enter"] == 0.77
        watch.send_signal(signal.SIGTERM)
        assert watch.stderr
        assert "enter is 0.77, as it was set, and not 0.5" in watch.stderr.read()


def test_a_pause_stops_classification_and_ends_with_the_watch(
    configure: Configure, broker: Mosquitto, tmp_path: Path, subscriber: Subscriber
) -> None:
    config, remote = configure("heartbeat = 0.5\n"), Remote(broker.port, subscriber)
    with start_watch(config, STATE_DIRECTORY=str(tmp_path)) as watch:
        wait_until(remote.count_states)
        remote.send("paused", "ON")
        remote.wait_for("paused", True)
        assert watch.stdout
        beats: list[dict[str, int]] = []
        while len(beats) < 8:  # in which the label would change twice
            record = json.loads(watch.stdout.readline())
            beats += [record] if record["event"] == "heartbeat" else []
        assert beats[-1]["frames"] == beats[-4]["frames"]
        assert beats[-1]["skipped"] > beats[-4]["skipped"]
        states = remote.count_states()
        remote.send("paused", "OFF")
        wait_until(lambda: remote.count_states() > states)
        remote.send("paused", "ON")
        remote.wait_for("paused", True, times=2)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(10) == 0
    states = remote.count_states()
    with start_watch(config, STATE_DIRECTORY=str(tmp_path)):
        wait_until(lambda: remote.count_states() > states)


@pytest.mark.parametrize("damage", ["{", '{"enter": 5}', '{"enter": 0.2}', "[]"])
def test_damaged_settings_do_not_keep_the_watch_from_starting(
    configure: Configure, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "settings.json").write_text(damage, "utf-8")
    with start_watch(configure(""), STATE_DIRECTORY=str(tmp_path)) as watch:
        assert watch.stdout
        start = json.loads(watch.stdout.readline())
        assert (start["event"], start["settings"]["enter"]) == ("start", 0.5)
        watch.send_signal(signal.SIGTERM)
        assert watch.stderr
        reason, _, rest = watch.stderr.read().partition("\n")
        assert "settings.json: " in reason
        assert "The watch uses its own settings" in rest
