"""The removal of a device: nothing is left on the broker, and nothing else is touched."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.edge.mosquitto import (
    DEVICE,
    PASSWORD,
    QUICK,
    Mosquitto,
    StartBroker,
    list_retained,
    make_config,
    make_publish,
    open_hostile_broker,
    publish,
    wait_until,
)
from tests.edge.vedette_command import call_vedette

from vedette_edge.__main__ import main
from vedette_edge.errors import BrokerError
from vedette_edge.log.records import create_record
from vedette_edge.mqtt.output import MqttOutput
from vedette_edge.mqtt.removal import remove_device

CHANGE = create_record("change") | {"label": "fox", "score": 0.9}


def leave_device(port: int) -> None:
    """Run an output to its end; the broker keeps what it said."""
    with MqttOutput(make_config(port), DEVICE, print, QUICK) as output:
        output.write(CHANGE, bytes(200_000))
        wait_until(lambda: output.read_counters().sent >= 4)


def test_nothing_is_left_and_others_stay(broker: Mosquitto) -> None:
    leave_device(broker.port)
    publish(broker.port, "vedette/door-pi/former/state", b"{}", "-r")
    others = {"vedette/door-pi2/state": b"1", "homeassistant/device/vedette_x/config": b"2"}
    for topic, payload in others.items():
        publish(broker.port, topic, payload, "-r")
    removal = remove_device(make_config(broker.port))
    assert list_retained(broker.port) == others
    assert len(removal.topics) == 5
    assert not removal.was_online
    assert remove_device(make_config(broker.port)).topics == ()


def test_a_watch_that_is_online_is_reported(broker: Mosquitto) -> None:
    with MqttOutput(make_config(broker.port), DEVICE, print, QUICK) as output:
        wait_until(lambda: output.read_counters().sent >= 2)
        assert remove_device(make_config(broker.port)).was_online
        assert output.read_counters().connected


def test_a_user_who_may_not_write_is_told(start_broker: StartBroker, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read #\ntopic write vedette/door-pi/state\n")
    broker = start_broker(f"acl_file {rules}\nuser root")
    publish(broker.port, "vedette/door-pi/state", b"1", "-r")
    assert remove_device(make_config(broker.port)).topics == ("vedette/door-pi/state",)
    rules.write_text("topic read #\n")
    publish(broker.port, "vedette/door-pi/state", b"1", "-r")
    broker.process.send_signal(1)  # SIGHUP: it reads the rules again
    wait_until(lambda: "Reloading config" in broker.file.with_suffix(".log").read_text())
    with pytest.raises(BrokerError, match="ACL"):
        remove_device(make_config(broker.port))


def test_a_broker_that_does_not_answer_takes_no_longer_than_the_limit() -> None:
    with (
        open_hostile_broker(accepts=False) as silent,
        pytest.raises(BrokerError, match="does not answer"),
    ):
        remove_device(make_config(silent.port), timeout_s=0.5)
    with open_hostile_broker() as mute, pytest.raises(BrokerError):
        remove_device(make_config(mute.port), timeout_s=0.5)


def test_a_broker_that_never_ends_takes_no_more_than_the_limits() -> None:
    packets = [
        make_publish(f"vedette/door-pi/{number}", bytes(250_000), retained=True)
        for number in range(100)
    ]
    highest_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        open_hostile_broker(b"\x90\x03\x00\x01\x01", *packets, times=1000) as endless,
        pytest.raises(BrokerError),
    ):
        remove_device(make_config(endless.port), timeout_s=2)
    assert endless.sent > 10_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest_kb < 30_000


def test_a_broker_that_sends_a_filter_as_a_topic_is_no_reason_to_fail() -> None:
    packets = [
        make_publish(f"vedette/door-pi/{wildcard}", b"1", retained=True) for wildcard in "+#"
    ]
    with open_hostile_broker(b"\x90\x04\x00\x01\x01\x01", *packets) as hostile:
        assert remove_device(make_config(hostile.port)).topics == ()


def test_the_command_removes_a_device(broker: Mosquitto, tmp_path: Path) -> None:
    leave_device(broker.port)
    url = f"mqtt://127.0.0.1:{broker.port}"
    result = call_vedette("mqtt", "remove", "--mqtt", url, "--mqtt-id", "door-pi", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert len(report["topics"]) == 4
    assert report["was_online"] is False
    config = tmp_path / "config.toml"
    config.write_text(f'mqtt = "{url}"\nmqtt-id = "door-pi"\nfps = 2\ncommands = false\n')
    result = call_vedette("mqtt", "remove", "--config", config)
    assert result.exit_code == 0, result.stderr
    assert "0 retained topics" in result.stdout


def test_the_command_takes_a_password_from_a_file_or_asks_and_refuses_one_in_the_url(
    login: Mosquitto, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{login.port}"
    flags = ("mqtt", "remove", "--mqtt-id", "door-pi", "--mqtt")
    refused = call_vedette(*flags, f"mqtt://me:{PASSWORD}@{address}")
    assert refused.exit_code == 2
    assert "--mqtt-password-file" in refused.stderr
    assert PASSWORD not in refused.stderr
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    url = f"mqtt://me@{address}"
    assert call_vedette(*flags, url, "--mqtt-password-file", file).exit_code == 0
    file.write_text("wrong secret\n")
    wrong = call_vedette(*flags, url, "--mqtt-password-file", file)
    assert wrong.exit_code == 1
    assert "password" in wrong.stderr
    assert "secret" not in wrong.stderr
    config = tmp_path / "config.toml"
    config.write_text(f'mqtt = "mqtt://me:{PASSWORD}@{address}"\n')
    assert call_vedette("mqtt", "remove", "--config", config).exit_code == 0
    config.write_text(f'mqtt = "mqtt//me:{PASSWORD}@{address}"\n')
    mistaken = call_vedette("mqtt", "remove", "--config", config)
    assert mistaken.exit_code == 1
    assert PASSWORD not in mistaken.stderr + mistaken.stdout


def test_the_command_asks_for_a_password_without_showing_it(login: Mosquitto) -> None:
    url = f"mqtt://me@127.0.0.1:{login.port}"
    flags = ["mqtt", "remove", "--mqtt", url, "--mqtt-id", "door-pi"]
    result = CliRunner().invoke(main, flags, input=f"{PASSWORD}\n")
    assert (result.exit_code, PASSWORD in result.output) == (0, False), result.output
    assert "0 retained topics removed" in result.stdout
    assert CliRunner().invoke(main, flags, input="another\n").exit_code == 1


def test_the_command_warns_of_a_watch_that_is_online(broker: Mosquitto) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with MqttOutput(make_config(broker.port), DEVICE, print, QUICK) as output:
        wait_until(lambda: output.read_counters().sent >= 3)
        result = call_vedette("mqtt", "remove", "--mqtt", url, "--mqtt-id", "door-pi")
    assert (result.exit_code, "online" in result.stderr) == (0, True)


def test_the_command_doubts_an_id_of_which_nothing_is_kept(broker: Mosquitto) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    result = call_vedette("mqtt", "remove", "--mqtt", url, "--mqtt-id", "other")
    assert result.exit_code == 0
    assert "Nothing was found: check --mqtt-id" in result.stderr


def test_the_command_names_what_is_missing() -> None:
    result = call_vedette("mqtt", "remove")
    assert (result.exit_code, "--mqtt" in result.stderr) == (2, True)
    result = call_vedette("mqtt", "remove", "--mqtt", "mqtt://127.0.0.1:1")
    assert (result.exit_code, "nothing listens" in result.stderr) == (1, True)


def test_the_broker_of_another_id_is_another_device(broker: Mosquitto) -> None:
    leave_device(broker.port)
    other = replace(make_config(broker.port), device_id="other")
    assert remove_device(other).topics == ()
    assert len(list_retained(broker.port)) == 4
