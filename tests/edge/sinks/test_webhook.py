"""Webhooks: what is posted, when again, and what waits for nobody."""

import email
import email.policy
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from functools import partial
from typing import cast

import pytest
from tests.edge.logging_now import wait_until
from tests.edge.sinks.test_http_client import answer_for_ever, close_within_the_status, say_nothing
from tests.edge.sinks.webhook_servers import Receiver, receive, serve_raw

from vedette_edge.log.records import Record, create_record
from vedette_edge.sinks.webhook import WebhookCounters, WebhookLimits, WebhookSender

Captured = pytest.LogCaptureFixture
SECRET = "hunter2"
FAST = WebhookLimits(pauses_s=(0.01, 0.02, 0.03), request_s=60)


def create_change(frame: int, **fields: object) -> Record:
    at = 1795721599.123 + frame  # 2026-11-26T19:33:19.123Z
    return create_record("change", at) | {"frame": frame, "label": "fox", **fields}


@pytest.fixture
def senders() -> Iterator[ExitStack]:
    """Closes the senders of a test, whose threads end before the next test begins."""
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, limits: WebhookLimits = FAST, device: str = "door-pi") -> WebhookSender:
    sender = WebhookSender(device, limits)
    stack.callback(lambda: sender.close(time.monotonic() + 60))
    return sender


def wait_for(sender: WebhookSender, *, sent: int = 0, failed: int = 0) -> None:
    def is_done() -> bool:
        counters = sender.read_counters()
        return (counters.sent, counters.failed) == (sent, failed)

    wait_until(is_done)


def read_frames(receiver: Receiver) -> list[int]:
    return [json.loads(request.body)["frame"] for request in receiver.requests]


def tell_and_say_nothing(connected: threading.Event, connection: socket.socket) -> None:
    connected.set()
    say_nothing(connection)


def test_the_usual_limits_are_those_that_the_document_states() -> None:
    assert WebhookLimits() == WebhookLimits((1.0, 4.0, 16.0), 10.0, 100, 8_000_000)


def test_a_record_is_posted_as_json(senders: ExitStack) -> None:
    record = create_change(8812, region="Tür", label="Füchse", score=float("nan"))
    with receive() as receiver:
        sender = start(senders)
        sender.send(f"{receiver.address}/api/webhook/fox?x=1", record)
        wait_for(sender, sent=1)
    [request] = receiver.requests
    assert request.path == "/api/webhook/fox?x=1"
    assert json.loads(request.body) == record | {"score": None}
    assert "Füchse".encode() in request.body
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("vedette/")
    assert request.headers["Authorization"] is None


def test_a_snapshot_is_posted_with_its_record_as_a_form(senders: ExitStack) -> None:
    jpeg = b"\xff\xd8\xff\r\n--\0" * 1000
    record = create_change(8812, region="door")
    with receive() as receiver:
        sender = start(senders)
        sender.send(receiver.address, record, jpeg)
        wait_for(sender, sent=1)
    [request] = receiver.requests
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    assert form.get_content_type() == "multipart/form-data"
    one, other = cast(list[EmailMessage], form.get_payload())
    names = [part.get_param("name", header="Content-Disposition") for part in (one, other)]
    assert names == ["record", "snapshot"]
    assert (one.get_content_type(), other.get_content_type()) == ("application/json", "image/jpeg")
    assert json.loads(cast(bytes, one.get_payload(decode=True))) == record
    assert other.get_filename() == "20261126T220011.123Z-8812-door-fox.jpg"
    assert b"\r\n\r\n" + jpeg + b"\r\n--" in request.body


def test_user_and_password_are_sent_as_basic_authentication(senders: ExitStack) -> None:
    with receive() as receiver:
        sender = start(senders)
        sender.send(receiver.address.replace("//", "//user:pass@"), create_change(1))
        wait_for(sender, sent=1)
    assert receiver.requests[0].headers["Authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize("status", [500, 503, 302, 408, 425, 429, 199])
def test_what_may_pass_is_tried_four_times_with_the_same_key(
    senders: ExitStack, status: int, caplog: Captured
) -> None:
    with receive(status) as receiver:
        sender = start(senders)
        sender.send(f"{receiver.address}/{SECRET}", create_change(1))
        wait_for(sender, failed=1)
        wait_until(lambda: bool(caplog.messages))
    assert read_frames(receiver) == [1, 1, 1, 1]
    keys = {request.headers["Idempotency-Key"] for request in receiver.requests}
    assert keys == {"door-pi/change/2026-11-26T19:33:20.123Z/1/"}
    assert len(caplog.messages) == 1
    assert f"HTTP {status}" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_is_refused_is_not_tried_again(senders: ExitStack, status: int) -> None:
    with receive(status) as receiver:
        sender = start(senders)
        sender.send(receiver.address, create_change(1))
        wait_for(sender, failed=1)
    assert read_frames(receiver) == [1]


def test_a_later_attempt_may_succeed_after_all_pauses(senders: ExitStack, caplog: Captured) -> None:
    with receive(500, 500, 500, 204) as receiver:
        sender = start(senders, WebhookLimits(pauses_s=(0.05, 0.2, 0.8)))
        begin_s = time.monotonic()
        sender.send(receiver.address, create_change(1))
        wait_for(sender, sent=1)
    assert time.monotonic() - begin_s > 0.05 + 0.2 + 0.8
    assert len(receiver.requests) == 4
    assert not caplog.messages


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (create_change(1), create_change(2)),
        (create_change(1, region="a b"), create_change(1, region="a_b")),
        (create_change(1, region="a/b"), create_change(1, region="a%2Fb")),
        (create_change(1), create_change(1) | {"event": "camera_lost"}),
    ],
)
def test_two_notifications_have_two_keys_of_safe_characters(
    senders: ExitStack, one: Record, other: Record
) -> None:
    with receive() as receiver:
        sender = start(senders, device="Tür\r\nX: y")
        sender.send(receiver.address, one)
        sender.send(receiver.address, other)
        wait_for(sender, sent=2)
    keys = [request.headers["Idempotency-Key"] for request in receiver.requests]
    assert keys[0] != keys[1]
    assert all(key.isascii() and key.isprintable() for key in keys)


def test_a_host_that_fails_is_reported_once_and_once_when_it_works_again(
    senders: ExitStack, caplog: Captured
) -> None:
    caplog.set_level("INFO")
    with receive(500) as receiver:
        sender = start(senders)
        urls = [f"{receiver.address.replace('//', f'//me:{SECRET}@')}/{SECRET}{n}" for n in "ab"]
        for number in range(4):
            sender.send(urls[number % 2], create_change(number))
        wait_for(sender, failed=4)
        receiver.statuses = [200]
        sender.send(urls[0], create_change(5))
        wait_for(sender, failed=4, sent=1)
        assert len(caplog.messages) == 1
        sender.send(urls[1], create_change(6))
        wait_for(sender, failed=4, sent=2)
        wait_until(lambda: len(caplog.messages) == 2)
        host = receiver.address
    assert caplog.messages[0].startswith(f"{host}: notifications are not accepted (HTTP 500)")
    assert caplog.messages[1] == f"{host}: notifications are accepted again"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert SECRET not in caplog.text


def test_a_redirect_is_not_followed_and_its_host_is_reported(
    senders: ExitStack, caplog: Captured
) -> None:
    with receive() as target, receive(301) as receiver:
        receiver.location = f"{target.address.replace('//', f'//{SECRET}@')}/{SECRET}?{SECRET}"
        sender = start(senders)
        sender.send(receiver.address, create_change(1))
        wait_for(sender, failed=1)
        wait_until(lambda: bool(caplog.messages))
        assert f"a redirect to {target.address}, which is not followed" in caplog.text
    assert not target.requests
    assert SECRET not in caplog.text


def test_those_to_one_address_keep_their_order_through_failures(senders: ExitStack) -> None:
    with receive(500, 200, 500, 500, 200) as receiver:
        sender = start(senders)
        for number in range(10):
            sender.send(receiver.address, create_change(number))
        wait_for(sender, sent=10)
    assert read_frames(receiver) == [0, 0, 1, 1, 1, *range(2, 10)]


def test_an_address_that_hangs_or_waits_for_its_retry_holds_up_no_other(
    senders: ExitStack,
) -> None:
    with serve_raw(say_nothing) as silent, receive(500) as failing, receive() as receiver:
        sender = start(senders, WebhookLimits(pauses_s=(60.0,), request_s=60))
        for number in range(3):
            sender.send(f"http://{silent}/", create_change(number))
            sender.send(failing.address, create_change(number))
        wait_until(lambda: len(failing.requests) == 1)
        for number in range(20):
            sender.send(receiver.address, create_change(number))
        wait_for(sender, sent=20)
        assert sender.read_counters() == WebhookCounters(20, 0, 0, 6)
        assert len(failing.requests) == 1


@pytest.mark.parametrize("size", [0, 100_000])
def test_never_too_many_wait_and_the_oldest_are_dropped(senders: ExitStack, size: int) -> None:
    most = 80 if size else 100
    connected = threading.Event()
    with serve_raw(partial(tell_and_say_nothing, connected)) as server:
        sender = start(senders, WebhookLimits(request_s=60))
        sender.send(f"http://{server}/", create_change(0), bytes(size) or None)
        assert connected.wait(60)  # the first is on its way
        for number in range(1, 300):
            sender.send(f"http://{server}/", create_change(number), bytes(size) or None)
            counters = sender.read_counters()
            assert counters.waiting <= most
            assert counters.dropped == number + 1 - counters.waiting
        assert most - 2 <= counters.waiting <= most


def test_one_that_is_larger_than_all_may_be_is_dropped(senders: ExitStack) -> None:
    with receive() as receiver:
        sender = start(senders)
        sender.send(receiver.address, create_change(1), bytes(9_000_000))
        sender.send(receiver.address, create_change(2), bytes(7_000_000))
        wait_for(sender, sent=1)
        assert sender.read_counters() == WebhookCounters(1, 0, 1, 0)


def test_an_answer_that_never_ends_is_a_success(senders: ExitStack) -> None:
    with serve_raw(answer_for_ever) as server:
        sender = start(senders)
        sender.send(f"http://{server}/", create_change(1))
        wait_for(sender, sent=1)


def test_a_connection_that_breaks_off_is_tried_again(senders: ExitStack) -> None:
    connections = []

    def break_off(connection: socket.socket) -> None:
        connections.append(connection)
        close_within_the_status(connection)

    with serve_raw(break_off) as server:
        sender = start(senders)
        sender.send(f"http://{server}/", create_change(1))
        wait_for(sender, failed=1)
    assert len(connections) == 4


def test_an_address_that_is_not_valid_is_counted_and_stops_nothing(
    senders: ExitStack, caplog: Captured
) -> None:
    sender = start(senders)
    for url in (f"localhost/{SECRET}", f"http://host:port/{SECRET}", "\r\n"):
        sender.send(url, create_change(1))
    wait_for(sender, failed=3)
    wait_until(lambda: len(caplog.messages) == 2)  # one for each host, and those without any
    assert SECRET not in caplog.text
