"""The checks of a broker, with a real one."""

from dataclasses import replace

import pytest
from tests.edge.mosquitto import (
    DEVICE,
    PASSWORD,
    QUICK,
    Mosquitto,
    StartBroker,
    make_config,
    open_hostile_broker,
    wait_until,
)

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.doctor.broker import check_broker
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.output import MqttOutput

OURS, OTHER = DEVICE.stable_id, "0123456789ab"


def check(config: MqttConfig, stable_id: str = OURS, *, running: bool = False) -> list[Finding]:
    return list(check_broker(config, stable_id, running=running))


def levels(findings: list[Finding]) -> list[str]:
    assert {one.subject for one in findings} == {"mqtt"}
    return [one.level for one in findings]


def test_a_broker_that_lets_us_in_is_ok(broker: Mosquitto) -> None:
    assert levels(check(make_config(broker.port))) == [OK]


def test_a_broker_that_does_not_answer_is_a_warning_as_the_watch_works_without_it() -> None:
    (finding,) = check(make_config(1))
    assert finding.level == WARNING
    assert "nothing listens" in finding.detail
    assert "the watch works without it" in finding.detail
    assert finding.fix
    nowhere = make_config(1)
    nowhere = replace(nowhere, broker=replace(nowhere.broker, host="nowhere.invalid"))
    assert levels(check(nowhere)) == [WARNING]
    with open_hostile_broker(accepts=False) as mute:
        assert levels(check(make_config(mute.port))) == [WARNING]
    with open_hostile_broker(b"\x20\x02\x00\x03", accepts=False) as unavailable:
        assert levels(check(make_config(unavailable.port))) == [WARNING]


def test_what_is_not_a_broker_is_a_fault() -> None:
    with open_hostile_broker(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 20, accepts=False) as web:
        assert levels(check(make_config(web.port))) == [FAULT]


def test_user_and_password_are_checked(login: Mosquitto) -> None:
    config = make_config(login.port)
    assert levels(check(config)) == [FAULT]
    wrong = replace(config, broker=replace(config.broker, user="me", password="secret"))
    (finding,) = check(wrong)
    assert finding.level == FAULT
    assert "password" in finding.detail + finding.fix
    assert "secret" not in repr(finding)
    right = replace(config, broker=replace(config.broker, user="me", password=PASSWORD))
    assert levels(check(right)) == [OK, WARNING]  # without encryption


def test_a_certificate_that_is_not_trusted_is_a_fault(
    start_broker: StartBroker,
    certificate: tuple[object, object],
) -> None:
    file, key = certificate
    server = start_broker(f"certfile {file}\nkeyfile {key}\nuser root")
    config = make_config(server.port)
    config = replace(config, broker=replace(config.broker, tls=True))
    (finding,) = check(config)
    assert (finding.level, "--mqtt-ca" in finding.fix) == (FAULT, True)
    assert levels(check(replace(config, ca_file=str(file)))) == [OK]
    assert levels(check(replace(config, ca_file="gone.pem"))) == [FAULT]


@pytest.mark.parametrize(
    ("stable_id", "online", "running", "expected"),
    [
        (OURS, True, True, [OK]),
        (OURS, True, False, [OK, WARNING]),
        (OURS, False, False, [OK]),
        (OTHER, True, True, [OK, FAULT]),
        (OTHER, True, False, [OK, FAULT]),
        (OTHER, False, False, [OK, WARNING]),
    ],
)
def test_another_device_with_the_same_id_is_noticed_and_stays_connected(
    broker: Mosquitto,
    stable_id: str,
    online: bool,
    running: bool,
    expected: list[str],
) -> None:
    config = make_config(broker.port)
    with MqttOutput(config, DEVICE, print, QUICK) as output:
        wait_until(lambda: output.read_counters().sent >= 2)
        if online:
            assert levels(check(config, stable_id, running=running)) == expected
            assert output.read_counters().connected
    if not online:
        assert levels(check(config, stable_id, running=running)) == expected
