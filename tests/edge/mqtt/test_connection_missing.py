"""Without paho-mqtt, or with one that is too old, MQTT says what to install."""

import sys
from types import ModuleType

import pytest
from tests.edge.vedette_command import call_vedette

from vedette_edge.errors import SettingError

ROOM = "vedette_edge.mqtt"


@pytest.fixture(params=["missing", "old"])
def _without_paho(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("paho.mqtt.client")  # of 1.6, which has no paho.mqtt.enums
    stand_in = None if request.param == "missing" else old
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", stand_in)
    monkeypatch.setitem(sys.modules, "paho.mqtt.enums", None)
    for name in [one for one in sys.modules if one.startswith(f"{ROOM}.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("_without_paho")
def test_a_missing_client_is_one_line_with_the_command_to_install_it() -> None:
    with pytest.raises(SettingError, match=r"pip install 'vedette-edge\[mqtt\]'"):
        __import__(f"{ROOM}.output")
    result = call_vedette("mqtt", "remove", "--mqtt", "mqtt://127.0.0.1:1")
    assert result.exit_code == 1
    assert "vedette-edge[mqtt]" in result.stderr.splitlines()[-1]
