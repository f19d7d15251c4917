"""The settings of MQTT, and their mistakes, which show no password."""

from pathlib import Path

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.mqtt.config import (
    Broker,
    MqttConfig,
    MqttSettings,
    build_config,
    create_device_id,
    has_password,
    parse_broker,
)

BROKER = Broker("broker", 1883, tls=False)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", BROKER),
        ("MQTT://broker:1884/", Broker("broker", 1884, tls=False)),
        ("mqtts://broker.local", Broker("broker.local", 8883, tls=True)),
        ("mqtt://me@10.0.0.2", Broker("10.0.0.2", 1883, False, "me")),
        ("mqtt://me:a%40b%3Ac%2F@broker", Broker("broker", 1883, False, "me", "a@b:c/")),
        ("mqtts://m%C3%BC:p@[::1]:9", Broker("::1", 9, True, "mü", "p")),
        ("mqtt://[fe80::1%25eth0]", Broker("fe80::1%eth0", 1883, tls=False)),
    ],
)
def test_a_url_names_a_broker(url: str, broker: Broker) -> None:
    assert parse_broker(url) == broker


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://broker:0",
        "mqtt://broker:65536",
        "mqtt://broker:hunter2",
        "mqtt://a..b",
        "mqtt://me:hunter2@",
        "mqtt://me:hunter2@@broker",
        "mqtt://me:hun/ter2@broker",
        "mqtt://me:hunter2%FF@broker",
        "mqtt://me:hunter2%00@broker",
        "mqtt://:hunter2@broker",
        "mqtt://me:hunter2@broker/path",
        "mqtt://me:hunter2@broker\n",
        f"mqtt://me:hunter2{'x' * 300}@broker",
        f"mqtt://{'a' * 64}.local",
    ],
)
def test_a_url_that_is_not_valid_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingError) as error:
        parse_broker(url)
    assert "hunter" not in str(error.value)
    assert "ter2" not in str(error.value)


def test_no_password_shows_in_a_representation() -> None:
    url = "mqtt://me:hunter2@broker"
    assert "hunter2" not in repr(MqttSettings(url)) + repr(build_config(MqttSettings(url)))
    assert parse_broker(url).name == "mqtt://broker:1883"
    assert Broker("::1", 9, tls=True).name == "mqtts://[::1]:9"


def test_a_password_in_a_url_is_noticed_even_in_one_that_is_not_valid() -> None:
    assert has_password("mqtt://me:hunter2@broker")
    assert has_password("mqtt//me:hunter2@broker")
    assert not has_password("mqtt://me@broker")
    assert not has_password("broker")


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("  hunter 2\r\nsecond line\n")
    config = build_config(MqttSettings("mqtt://me@broker", file))
    assert config
    assert config.broker.password == "  hunter 2"
    with pytest.raises(SettingError, match="two passwords"):
        build_config(MqttSettings("mqtt://me:one@broker", file))
    with pytest.raises(SettingError, match="needs a user"):
        build_config(MqttSettings("mqtt://broker", file))
    for content in (b"", b"\nhunter2", b"\xff", bytes(5000), b"a\0b"):
        file.write_bytes(content)
        with pytest.raises(SettingError) as error:
            build_config(MqttSettings("mqtt://me@broker", file))
        assert "hunter" not in str(error.value)
    with pytest.raises(SettingError, match="gone"):
        build_config(MqttSettings("mqtt://me@broker", tmp_path / "gone"))


@pytest.mark.parametrize("password", ["hunter2", "a" * 300])
def test_a_password_in_the_place_of_its_file_is_not_shown(password: str) -> None:
    with pytest.raises(SettingError, match=r"^the file of the broker's password: ") as refused:
        build_config(MqttSettings("mqtt://me@broker", Path(password)))
    assert password not in str(refused.value)


def test_without_a_broker_there_is_no_configuration() -> None:
    assert build_config(MqttSettings()) is None


def test_a_ca_file_needs_tls(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="mqtts"):
        build_config(MqttSettings("mqtt://broker", mqtt_ca=tmp_path))


@pytest.mark.parametrize("text", ["", "a+b", "a/#", "/a", "a/", "a//b", "$SYS", "a\0", "a" * 201])
def test_a_topic_with_wildcards_or_empty_levels_is_refused(text: str) -> None:
    with pytest.raises(SettingError):
        MqttConfig(BROKER, base=text)
    with pytest.raises(SettingError):
        MqttConfig(BROKER, prefix=text)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "tür", "a" * 65, "a\n"])
def test_an_id_of_other_characters_is_refused(text: str) -> None:
    with pytest.raises(SettingError):
        MqttConfig(BROKER, device_id=text)


def test_an_id_is_made_from_any_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("door-pi.local", "door-pi-local"), ("tür", "t-r"), ("…", "vedette")):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        assert create_device_id() == expected
        assert MqttConfig(BROKER).device_id == expected
