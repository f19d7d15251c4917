"""A plugin of pytest that leaves out what an emulated processor cannot be asked, and says why."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings

EDGE = Path(__file__).parents[1] / "edge"
# how a path within tests/edge begins -> why it is not run
LEFT_OUT: Mapping[str, str] = {
    "benchmark/": "times mean nothing here, and processes start too late",
    "cameras/test_network_stream": "a network's time-outs run out on so slow a processor",
    "capture/test_frame_buffer": "frames come at a camera's rate, too fast for this processor",
    "capture/test_patience": "processes start within seconds, too fast for this processor",
    "capture/test_supervisor": "processes start within seconds, too fast for this processor",
    "cli/test_config_file": "takes minutes here, and does not depend on the processor",
    "cli/test_log": "takes minutes here, and does not depend on the processor",
    "cli/test_metrics_file": "processes start within seconds, too fast for this processor",
    "cli/test_on": "processes start within seconds, too fast for this processor",
    "cli/test_outputs": "there is no MQTT broker here, and processes start within seconds",
    "cli/test_socket": "processes start within seconds, too fast for this processor",
    "cluster/": "there is no Dask here",
    "doctor/test_broker": "there is no MQTT broker here",
    "doctor/test_outputs": "nobody knows the name localhost here",
    "fleet/": "there is no MQTT broker and no browser here, and processes start within seconds",
    "host/test_service": "there is no systemd here",
    "host/test_systemd": "processes start within seconds, too fast for this processor",
    "images/remote": "there is no fsspec here",
    "live/test_server": "threads answer within seconds, too fast for this processor",
    "log/": "takes minutes here, and does not depend on the processor",
    "metrics/": "takes minutes here, and does not depend on the processor",
    "model/test_hostile": "takes minutes here, and does not depend on the processor",
    "model/test_uncontracted": "starts a process for each graph: minutes here",
    "mqtt/": "there is no MQTT broker here, and the rest does not depend on the processor",
    "page/": "processes start within seconds, too fast for this processor",
    "policy/": "takes minutes here, and does not depend on the processor",
    "prediction/test_cluster": "there is no Dask here",
    "sinks/": "takes minutes here, and does not depend on the processor",
    "survival/": "processes start within seconds, too fast for this processor",
    "watch/test_loop": "processes start within seconds, too fast for this processor",
    "watch/test_snapshots": "processes start within seconds, too fast for this processor",
    "web/": "processes start within seconds, too fast for this processor",
}


def pytest_configure() -> None:
    settings.register_profile("emulated", max_examples=5, deadline=None)
    settings.load_profile("emulated")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not collection_path.is_relative_to(EDGE):
        return None
    name = f"{collection_path.relative_to(EDGE)}{'/' * collection_path.is_dir()}"
    return name.startswith(tuple(LEFT_OUT)) or None  # with a folder, also its conftest.py


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for beginning, reason in LEFT_OUT.items():
        terminalreporter.write_line(f"left out: {beginning}*: {reason}")
