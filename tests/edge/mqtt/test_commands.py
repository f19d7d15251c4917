"""Commands: only what is valid, and not too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.mqtt.commands import Command, TokenBucket, parse_command


@pytest.mark.parametrize(
    ("name", "payload", "value"),
    [
        ("enter", b"0.05", 0.05),
        ("enter", b"1", 1.0),
        ("enter", b"1.0", 1.0),
        ("leave", b"0", 0.0),
        ("leave", b"0.35", 0.35),
        ("paused", b"ON", True),
        ("paused", b"OFF", False),
        ("restart", b"restart", True),
    ],
)
def test_what_is_valid_is_a_command(name: str, payload: bytes, value: float | bool) -> None:
    assert parse_command(name, payload) == Command(name, value)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("enter", b"0.04"),
        ("enter", b"1.01"),
        ("enter", b""),
        ("enter", b"nan"),
        ("enter", b"inf"),
        ("enter", b"-0"),
        ("enter", b"+1"),
        ("enter", b"1e0"),
        ("enter", b" 0.5"),
        ("enter", b"0.5\n"),
        ("enter", b".5"),
        ("enter", b"0x1"),
        ("enter", b"0_1"),
        ("enter", "\u0660.\u0665".encode()),
        ("enter", b"0." + b"5" * 15),
        ("leave", b"2"),
        ("paused", b"on"),
        ("paused", b"1"),
        ("restart", b""),
        ("restart", b"RESTART"),
        ("enter/x", b"0.5"),
        ("", b"0.5"),
        ("model", b"install"),
    ],
)
def test_anything_else_is_none(name: str, payload: bytes) -> None:
    assert parse_command(name, payload) is None


@given(st.text(), st.binary())
def test_no_input_raises(name: str, payload: bytes) -> None:
    for one in (name, "enter", "paused", "restart"):
        parse_command(one, payload)


def test_a_bucket_admits_a_burst_and_then_a_rate() -> None:
    now_s = 100.0
    bucket = TokenBucket(10, 20, lambda: now_s)
    assert [bucket.take() for _ in range(25)].count(True) == 20
    now_s += 0.5
    assert [bucket.take() for _ in range(25)].count(True) == 5
    now_s += 1000
    assert [bucket.take() for _ in range(25)].count(True) == 20
