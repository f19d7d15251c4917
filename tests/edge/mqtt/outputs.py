"""Outputs with a connection to a broker, for tests."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.edge.mosquitto import (
    DEVICE,
    QUICK,
    ROOT,
    wait_until,
)

from vedette_edge.log.records import create_record
from vedette_edge.mqtt.commands import Command
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.output import MqttOutput

JPEG = b"\xff\xd8picture\xff\xd9"
SET = f"{ROOT}/set"


@contextmanager
def open_output(
    config: MqttConfig, device: Device = DEVICE
) -> Iterator[tuple[MqttOutput, list[Command]]]:
    """Open an output; the commands that it gets come with it."""
    commands: list[Command] = []
    with MqttOutput(config, device, commands.append, QUICK) as output:
        yield output, commands


def wait_for_connection(output: MqttOutput) -> None:
    wait_until(lambda: output.read_counters().connected)


def make_change(label: str, number: int = 1, **fields: object) -> dict[str, object]:
    change = {"label": label, "score": 0.97123, "previous": "hen", "lasted_s": 12.5}
    return create_record("change") | change | {"frame": number} | fields


def events(payloads: list[bytes]) -> list[int]:
    return [json.loads(payload)["frame"] for payload in payloads]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.INFO]
