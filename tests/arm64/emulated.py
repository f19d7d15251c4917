"""A plugin of pytest that leaves out what an emulated processor cannot be asked, and says why."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# how a test file's name begins -> why it is not run
LEFT_OUT: Mapping[str, str] = {
    "test_cameras_stream": "a network's time-outs run out on so slow a processor",
    "test_foreign": "starts a process for each graph: minutes here",
    "test_handover": "frames are handed over at a camera's rate, too fast for this processor",
    "test_hostile": "takes minutes here, and does not depend on the processor",
    "test_log": "takes minutes here, and does not depend on the processor",
    "test_service": "there is no systemd here",
    "test_supervisor": "processes start within seconds, too fast for this processor",
    "test_survival": "processes start within seconds, too fast for this processor",
    "test_watch": "processes start within seconds, too fast for this processor",
}


def pytest_configure() -> None:
    settings.register_profile("emulated", max_examples=5, deadline=None)
    settings.load_profile("emulated")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return collection_path.name.startswith(tuple(LEFT_OUT)) or None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for beginning, reason in LEFT_OUT.items():
        terminalreporter.write_line(f"left out: {beginning}*: {reason}")
