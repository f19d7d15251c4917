"""The parsers of messages: what a watch sends, and what anybody else may send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.fleet.devices import draw_jpeg
from tests.edge.mosquitto import DEVICE, make_config

from vedette_edge.errors import ProtocolError
from vedette_edge.fleet import messages
from vedette_edge.fleet.messages import (
    LONGEST,
    MOST_PICTURE_BYTES,
    Description,
    Health,
    LabelState,
    parse_available,
    parse_description,
    parse_health,
    parse_label,
    parse_paused,
    parse_picture,
)
from vedette_edge.mqtt.discovery import create_discovery
from vedette_edge.mqtt.topics import Topics

PARSERS = [
    parse_available,
    parse_label,
    parse_health,
    parse_paused,
    parse_description,
    parse_picture,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.sampled_from(
    "label score since region time camera reason lost_s fps temperature_c throttled log outputs "
    "model page paused dev cmps avty name mdl sw cu exp_aft dropped failing_since".split()
)


def encode(fields: object) -> bytes:
    return json.dumps(fields).encode()


@given(payload=st.binary() | st.dictionaries(NAMES, JSON).map(encode) | JSON.map(encode))
def test_a_parser_raises_nothing_but_a_protocol_error(payload: bytes) -> None:
    for parser in PARSERS:
        try:
            parser(payload)
        except ProtocolError:
            continue


@pytest.mark.parametrize(
    "payload", [b"", b"[" * 60_000, b"9" * 5_000, b"\xff\xfe", b"null", b"[1]", b'"text"', b"{"]
)
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    for parser in (parse_label, parse_health, parse_paused, parse_description):
        with pytest.raises(ProtocolError):
            parser(payload)


def test_only_two_words_tell_whether_a_device_is_online() -> None:
    assert (parse_available(b"online"), parse_available(b"offline")) == (True, False)
    for payload in (b"Online", b"on", b"online ", b"1"):
        with pytest.raises(ProtocolError):
            parse_available(payload)


def test_a_label_is_that_of_its_region() -> None:
    fields = {"label": "fox", "score": 0.97, "since": "2026-11-26T20:05:07.658Z", "region": "door"}
    assert parse_label(encode(fields)) == LabelState("door", "fox", 0.97, 1795723507.658)
    assert parse_label(encode({"label": None, "score": None})) == LabelState("", "", None, None)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1e300, -0.1, 1.1, "0.5", True, [1]])
def test_a_score_that_is_none_is_left_out(score: object) -> None:
    assert parse_label(encode({"label": "fox", "score": score})).score is None


@pytest.mark.parametrize("since", ["now", "9999-99-99", "0001-01-01", 5, None, "1" * 500])
def test_a_time_that_is_none_is_left_out(since: object) -> None:
    assert parse_label(encode({"label": "fox", "since": since})).since is None


def test_a_text_is_cut_and_shows_as_it_is() -> None:
    label = "fo\u202ex\n\x00" + "y" * 10_000
    shown = parse_label(encode({"label": label})).label
    assert shown == "fo x  " + "y" * (LONGEST - 6)


def test_a_heartbeat_tells_of_the_camera_the_machine_and_losses() -> None:
    fields: dict[str, Any] = {
        "time": "2026-11-26T20:05:07Z",
        "camera": False,
        "reason": "no frame",
        "lost_s": 12.5,
        "fps": 9.8,
        "temperature_c": 61.2,
        "throttled": "under-voltage now, too hot before",
        "log": {"written": 9, "dropped": 2, "left_out": 1, "failing_since": "2026-11-26T20:00:00Z"},
        "outputs": {"mqtt": {"sent": 5, "dropped": 4}, "webhooks": {"failed": 3}},
        "model": "birds.tflite",
        "page": "http://door-pi.local:8470",
    }
    assert parse_health(encode(fields)) == Health(
        at=1795723507.0,
        camera=False,
        reason="no frame",
        lost_s=12.5,
        fps=9.8,
        temperature_c=61.2,
        throttled=("under-voltage",),
        losses=10,
        log_fails=True,
        model="birds.tflite",
        page="http://door-pi.local:8470",
    )
    assert parse_health(b"{}") == Health()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil",
        "http://",
        "http://user:secret@pi/",
        "http://[",
        "http://pi/" + "x" * 500,
        5,
    ],
)
def test_a_page_is_a_web_page(url: object) -> None:
    assert parse_health(encode({"page": url})).page == ""


def test_the_description_of_a_watch_for_home_assistant_is_read() -> None:
    topics = Topics.from_config(make_config(1883))
    described = parse_description(create_discovery(DEVICE, topics, commands=True))
    available = "vedette/door-pi/available"
    assert described == Description("door-pi", "Raspberry Pi 4", "0.1.0", "", 60.0, available)


def test_a_picture_is_a_jpeg_of_bounded_size() -> None:
    jpeg = draw_jpeg()
    assert parse_picture(jpeg).jpeg == jpeg
    assert parse_picture(jpeg).name != parse_picture(draw_jpeg(1)).name
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08\x08\2\0\0\0"
    too_large = jpeg + bytes(MOST_PICTURE_BYTES)
    for payload in (b"", b"<svg/>", png, jpeg[:20], too_large):
        with pytest.raises(ProtocolError):
            parse_picture(payload)


def test_a_picture_that_would_fill_the_memory_of_a_browser_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jpeg = draw_jpeg()
    place = jpeg.index(b"\xff\xc0") + 5  # height and width of the frame
    with pytest.raises(ProtocolError):
        parse_picture(jpeg[:place] + b"\xff\xff\xff\xff" + jpeg[place + 4 :])
    monkeypatch.setattr(messages, "MOST_PICTURE_PIXELS", 320 * 240)
    assert parse_picture(jpeg).jpeg == jpeg
