"""Pauses between attempts: short for a broker that is gone, long for one that refuses us."""

import time
from dataclasses import replace

from tests.edge.mosquitto import (
    DEVICE,
    QUICK,
    Mosquitto,
    make_config,
    wait_until,
)

from vedette_edge.mqtt.config import Broker
from vedette_edge.mqtt.output import MqttOutput

PAUSES = replace(QUICK, absent_s=0.1, longest_s=60.0)
OUTAGE_S = 3.0  # in which pauses that double grow beyond a second


def test_after_a_long_outage_the_connection_works_again_at_once(broker: Mosquitto) -> None:
    broker.stop()
    with MqttOutput(make_config(broker.port), DEVICE, print, PAUSES) as output:
        time.sleep(OUTAGE_S)
        broker.start()
        begun_s = time.monotonic()
        wait_until(lambda: output.read_counters().connected)
        assert time.monotonic() - begun_s < OUTAGE_S / 2
    broker.stop()


def test_a_broker_that_refuses_a_password_is_asked_less_and_less(login: Mosquitto) -> None:
    config = make_config(login.port, broker=Broker("127.0.0.1", login.port, False, "me", "wrong"))
    with MqttOutput(config, DEVICE, print, PAUSES):
        time.sleep(OUTAGE_S)
    login.stop()
    attempts = login.file.with_suffix(".log").read_text().count("not authorised")
    assert 3 <= attempts <= 10
