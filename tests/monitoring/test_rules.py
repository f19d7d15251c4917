"""The alerts: promtool has nothing to say about them, and each is tried."""

import json
import re
import subprocess

import pytest
from tests.edge.metrics.snapshots import create_snapshot
from tests.monitoring.prometheus import MONITORING, PROMTOOL, needs_prometheus

from vedette_edge.metrics.exposition import generate_metrics

ALERTS = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text("utf-8"))


def call_promtool(*arguments: str) -> str:
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_prometheus
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    shown = call_promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")
    assert f"SUCCESS: {len(ALERTS)} rules found" in shown


@needs_prometheus
def test_each_alert_fires_and_is_silent_as_its_tests_say() -> None:
    assert "SUCCESS" in call_promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_no_alert_goes_without_a_test_that_it_fires_and_that_it_does_not(alert: str) -> None:
    tests = (MONITORING / "alerts_test.yml").read_text("utf-8")
    assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", tests)
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", tests)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_names_the_instance_and_the_next_step(alert: str) -> None:
    text = (MONITORING / "alerts.yml").read_text("utf-8")
    (rule,) = re.findall(rf"- alert: {alert}\n(.*?)(?=\n      - alert|\Z)", text, re.DOTALL)
    assert re.search(r"severity: (critical|warning|info)\n", rule)
    assert 'summary: "{{ $labels.instance }}: ' in rule
    assert re.search(r'description: ".{20,}"', rule)


def test_the_document_lists_each_metric_and_each_alert_and_no_others() -> None:
    page = (MONITORING.parent / "docs" / "metrics.md").read_text("utf-8")
    tables = dict(re.findall(r"^## (Names|Alerts)\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE))
    assert set(re.findall(r"^\| `(\w+)`", tables["Alerts"], re.MULTILINE)) == set(ALERTS)
    text = generate_metrics(create_snapshot()).decode()
    names = {name.removeprefix("vedette_") for name in re.findall(r"^# TYPE (\S+)", text, re.M)}
    assert set(re.findall(r"^\| `(\w+)`", tables["Names"], re.MULTILINE)) == names


@pytest.mark.parametrize("alert", ALERTS)
def test_the_document_has_the_severity_of_each_alert(alert: str) -> None:
    page = (MONITORING.parent / "docs" / "metrics.md").read_text("utf-8")
    rules = (MONITORING / "alerts.yml").read_text("utf-8")
    severity = re.search(rf"- alert: {alert}\n.*?severity: (\w+)", rules, re.DOTALL)
    assert severity
    assert re.search(rf"^\| `{alert}` \|.*\| {severity[1]} \|$", page, re.MULTILINE)


def test_the_dashboard_is_valid_json_whose_panels_have_their_own_places() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    assert board["id"] is None
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert 'instance=~"$instance"' in target["expr"]
