"""Fixtures of the policy's tests."""

import os
import time
from collections.abc import Iterator

import pytest


@pytest.fixture
def berlin() -> Iterator[None]:
    """A time zone that sets its clocks back by an hour, at 3:00 of 2026-10-25."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()
