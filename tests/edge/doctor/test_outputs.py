"""Checks of rules, webhooks and settings that were set over MQTT."""

import json
import sys
from pathlib import Path

import pytest

from vedette_edge.doctor import FAULT, OK, WARNING, Finding, outputs
from vedette_edge.doctor.outputs import check_metrics_file, check_outputs
from vedette_edge.mqtt.config import Broker, MqttConfig
from vedette_edge.policy.rule import parse_rules
from vedette_edge.watch.notify_config import NotifyConfig

LABELS = ("fox", "hen", "unknown")


def check(**settings: object) -> list[Finding]:
    return list(check_outputs(NotifyConfig(**settings), LABELS))  # type: ignore[arg-type]


def test_without_outputs_there_is_nothing_to_say() -> None:
    assert check() == []


def test_rules_for_labels_of_the_model_are_fine() -> None:
    rules = parse_rules([{"label": "fox"}, {"label": ["hen", "unknown"]}])
    (finding,) = check(rules=rules)
    assert (finding.subject, finding.level) == ("policy", OK)
    assert finding.detail == "2 rules, for labels of the model"
    (fault,) = check(rules=parse_rules([{"label": "Fox"}]))
    assert (fault.level, "no label 'Fox'" in fault.detail) == (FAULT, True)


def test_a_folder_for_snapshots_must_be_one_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "new" / "below"):
        (finding,) = check(snapshots=folder)
        assert (finding.subject, finding.level) == ("snapshots", OK)
        assert not (tmp_path / "new").exists()
    monkeypatch.setattr("os.access", lambda *_: False)  # as for any user but root
    (fault,) = check(snapshots=tmp_path / "new")
    assert fault.level == FAULT
    assert f"no permission to write in {tmp_path}" in fault.detail


def test_a_metrics_file_needs_its_package_and_a_folder_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vedette.prom"
    assert check_metrics_file(path) == Finding("metrics", OK, f"{path} can be written")
    warning = check_metrics_file(tmp_path / "gone" / "vedette.prom")
    assert (warning.level, f"{tmp_path / 'gone'} does not exist" in warning.detail) == (
        WARNING,
        True,
    )
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)  # as for any user but root
        fault = check_metrics_file(path)
    assert (fault.level, f"no permission to write in {tmp_path}" in fault.detail) == (FAULT, True)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "vedette_edge.metrics.exposition", raising=False)
    fault = check_metrics_file(path)
    assert (fault.level, fault.fix) == (FAULT, "pip install 'vedette-edge[metrics]'")


def test_labels_are_not_judged_where_the_model_does_not_load() -> None:
    config = NotifyConfig(rules=parse_rules([{"label": "Fox"}]))
    assert list(check_outputs(config, ())) == []


@pytest.mark.parametrize(
    ("host", "level"), [("localhost", OK), ("127.0.0.1", OK), ("no-such-host.invalid", WARNING)]
)
def test_the_host_of_a_webhook_needs_an_address_and_the_rest_is_not_shown(
    host: str, level: str
) -> None:
    url = f"http://me:secret@{host}:8123/api/webhook/also-secret"
    findings = check(rules=parse_rules([{"webhook": url}] * 2))
    (finding,) = (one for one in findings if one.subject == "webhook")
    assert (finding.level, host in finding.detail) == (level, True)
    assert "secret" not in str(findings)


def test_each_setting_that_was_set_over_mqtt_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "SERVICE_STATE", tmp_path)
    mqtt = MqttConfig(Broker("127.0.0.1", 1, tls=False), device_id="door-pi")
    kept = tmp_path / "settings.json"
    kept.write_text(json.dumps({"enter": 0.7, "leave": 0.2}), "utf-8")
    details = [one.detail for one in check(mqtt=mqtt) if one.subject == "settings"]
    assert [detail.split(",")[0] for detail in details] == ["enter is 0.7", "leave is 0.2"]
    kept.write_text("{", "utf-8")
    (warning,) = (one for one in check(mqtt=mqtt) if one.subject == "settings")
    assert (warning.level, "not valid JSON" in warning.detail) == (WARNING, True)
    kept.unlink()
    assert [one.subject for one in check(mqtt=mqtt)] == ["mqtt"]
