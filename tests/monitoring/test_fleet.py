"""Twenty real watches, and a real Prometheus that runs each query of alerts and dashboard."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.monitoring.prometheus import (
    MONITORING,
    PROMETHEUS,
    Pages,
    Prometheus,
    find_port,
    needs_prometheus,
    serve,
    wait_until,
)

from vedette_edge.live.client import LiveClient
from vedette_edge.metrics.exposition import generate_metrics

MODEL = Path(__file__).parents[1] / "edge" / "colours.tflite"
WATCHES = 20
BLIND, DEAD, UNHEARD = "door-00", "door-01", "door-02"  # without camera, killed, without broker
SCRAPES = 8
BOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())] + [
    one["expr"] for one in BOARD["annotations"]["list"]
]
WITHOUT_DATA = (  # not every machine has a thermometer, and no watch here has started again
    "vedette_temperature_celsius",
    "changes(vedette_start_time_seconds",
)

pytestmark = needs_prometheus


@dataclass(frozen=True, slots=True)
class Fleet:
    """Watches, and a Prometheus that has scraped them for some time."""

    prometheus: Prometheus
    processes: dict[str, "subprocess.Popen[bytes]"]


def start(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Start a watch. Every other one has a socket and a file, the others a socket alone."""
    camera = f"rtsp://127.0.0.1:{find_port()}/" if name == BLIND else "synthetic:64x48@5"
    flags = ["--camera", camera, "--socket", f"{name}.sock", "--log", f"{name}.jsonl"]
    flags += ["--threads", "1", "--smoothing", "0", "--log-flush", "0.1"]
    flags += ["--snapshots", f"{name}-pictures"]
    if int(name[-1]) % 2:
        flags += ["--metrics-file", f"{name}.prom"]
    if name == UNHEARD:
        flags += ["--mqtt", f"mqtt://127.0.0.1:{find_port()}"]
    command = [sys.executable, "-m", "vedette_edge", "run", str(MODEL), *flags]
    with (folder / f"{name}.out").open("wb") as out:
        return subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )


def read_socket(path: Path) -> bytes:
    with LiveClient(path) as viewer:
        viewer.request(["metrics"])
        return generate_metrics(viewer.read().header)


def create_pages(folder: Path, names: list[str]) -> Pages:
    return {
        f"/{name}": partial(Path.read_bytes, folder / f"{name}.prom")
        if int(name[-1]) % 2
        else partial(read_socket, folder / f"{name}.sock")
        for name in names
    }


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if not PROMETHEUS:
        pytest.skip("prometheus is not installed: apt install prometheus")
    folder = tmp_path_factory.mktemp("fleet")
    names = [f"door-{number:02}" for number in range(WATCHES)]
    processes = dict[str, "subprocess.Popen[bytes]"]()
    with ExitStack() as stack:
        for name in names:
            processes[name] = start(folder, name)
            stack.callback(processes[name].wait)
            stack.callback(processes[name].kill)
        for name in names:
            wait_until(lambda name=name: has_begun(folder, name))  # type: ignore[misc]
        port = stack.enter_context(serve(create_pages(folder, names)))
        prometheus = Prometheus(folder, [create_job(port, names)])
        stack.enter_context(prometheus.run())
        few = f"min(count_over_time(up[10m])) >= {SCRAPES}"
        wait_until(lambda: prometheus.query(few))
        yield Fleet(prometheus, processes)


def has_begun(folder: Path, name: str) -> bool:
    """True once a watch has seen a frame, or that its camera is lost."""
    text = read_socket(folder / f"{name}.sock")
    is_lost = b"vedette_camera_losses_total 1.0" in text
    return is_lost if name == BLIND else b"vedette_camera_up 1.0" in text


def create_job(port: int, names: list[str]) -> dict[str, object]:
    targets = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"instance": name, "__metrics_path__": f"/{name}"},
        }
        for name in names
    ]
    return {"job_name": "vedette", "static_configs": targets}


def substitute(query: str) -> str:
    """Put in the variables as Grafana does for all instances."""
    return query.replace("$instance", ".+").replace("$__rate_interval", "1m")


def test_all_are_scraped(fleet: Fleet) -> None:
    assert fleet.prometheus.count("sum(up)") == WATCHES
    assert fleet.prometheus.count("count(vedette_start_time_seconds)") == WATCHES
    # Files come later.
    wait_until(lambda: fleet.prometheus.count("sum(vedette_camera_up)") >= WATCHES / 2)
    assert fleet.prometheus.count("max(scrape_samples_scraped)") < 400


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_dashboard_has_data(fleet: Fleet, query: str) -> None:
    result = fleet.prometheus.query(substitute(query))
    assert result or query.startswith(WITHOUT_DATA) or WITHOUT_DATA[0] in query
    for one in result:
        assert one["value"][1] != "NaN" or "quantile" in query  # of a watch without a frame


def test_the_dashboard_lists_the_instances(fleet: Fleet) -> None:
    (variable,) = (one for one in BOARD["templating"]["list"] if one["name"] == "instance")
    match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert match
    instances = fleet.prometheus.ask(f"label/{match[2]}/values", **{"match[]": match[1]})
    assert len(instances) == WATCHES


def test_the_dashboard_counts_what_is_in_trouble(fleet: Fleet) -> None:
    by_title = {panel["title"]: panel for panel in BOARD["panels"]}

    def count(title: str) -> float:
        return fleet.prometheus.count(substitute(by_title[title]["targets"][0]["expr"]))

    assert count("Watches") == WATCHES
    assert count("Cameras lost") >= 1
    assert (count("Logs failing"), count("Brokers lost"), count("Paused")) == (0, 1, 0)


def test_each_alert_is_evaluated_without_an_error_and_fires_with_reason(
    fleet: Fleet,
) -> None:
    (group,) = fleet.prometheus.ask("rules")["groups"]
    for rule in group["rules"]:
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]
        fleet.prometheus.query(rule["query"])
        firing = (
            {alert["labels"]["instance"] for alert in rule["alerts"]}
            if rule["state"] == "firing"
            else set()
        )
        assert firing <= {BLIND, UNHEARD}, rule["name"]


def test_a_watch_in_trouble_is_about_to_raise_its_alert(fleet: Fleet) -> None:
    process = fleet.processes[DEAD]
    process.terminate()
    process.wait(30)
    expected = {("CameraLost", BLIND), ("BrokerLost", UNHEARD), ("VedetteDown", DEAD)}
    wait_until(lambda: expected <= list_alerts(fleet.prometheus))
    down = {instance for name, instance in list_alerts(fleet.prometheus) if name == "VedetteDown"}
    assert down == {DEAD}


def list_alerts(prometheus: Prometheus) -> set[tuple[str, str]]:
    alerts: list[dict[str, Any]] = prometheus.ask("alerts")["alerts"]
    return {(one["labels"]["alertname"], one["labels"]["instance"]) for one in alerts}
