"""Fixtures of the tests of MQTT."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _log_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vedette_edge")
