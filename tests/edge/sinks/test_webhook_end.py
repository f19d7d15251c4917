"""The beginning and the end of webhooks: nothing is loaded early, and nobody waits at the end."""

import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from tests.edge.logging_now import wait_until
from tests.edge.sinks.test_http_client import say_nothing
from tests.edge.sinks.test_webhook import create_change, read_frames, tell_and_say_nothing
from tests.edge.sinks.webhook_servers import receive, serve_raw

from vedette_edge.sinks.webhook import WebhookCounters, WebhookLimits, WebhookSender


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_hanging_server_holds_up_no_end(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    with serve_raw(say_nothing) as server:
        sender = WebhookSender("door-pi")
        for number in range(5):
            sender.send(f"http://{server}/", create_change(number))
        begin_s = time.monotonic()
        sender.close(begin_s + seconds)
        assert time.monotonic() - begin_s < 30
        assert sender.read_counters() == WebhookCounters(0, 0, 5, 0)
        assert "5 notifications of webhooks were not sent" in caplog.text
        sender.send(f"http://{server}/", create_change(9))
        assert sender.read_counters().dropped == 6


def test_what_is_due_at_the_end_is_sent_and_what_waits_for_a_retry_is_not() -> None:
    with receive() as receiver, receive(500) as failing:
        sender = WebhookSender("door-pi", WebhookLimits(pauses_s=(600.0,)))
        sender.send(failing.address, create_change(0))
        wait_until(lambda: len(failing.requests) == 1)
        for number in range(10):
            sender.send(receiver.address, create_change(number))
        sender.close(time.monotonic() + 60)
        assert read_frames(receiver) == list(range(10))
        assert sender.read_counters() == WebhookCounters(10, 0, 1, 0)


def test_a_process_ends_at_once_while_a_server_hangs() -> None:
    code = (
        "import sys, time; from vedette_edge.sinks.webhook import WebhookSender\n"
        "sender = WebhookSender('pi')\n"
        "sender.send(sys.argv[1], {'time': '2026-11-26T19:33:19.123Z', 'event': 'change'})\n"
        "sys.stdin.readline()\n"
        "sender.close(time.monotonic())\n"
    )
    connected = threading.Event()
    with serve_raw(partial(tell_and_say_nothing, connected)) as server:
        command = [sys.executable, "-c", code, f"http://{server}/"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert connected.wait(60)
            begin_s = time.monotonic()
            process.communicate(b"\n", timeout=60)
            assert (process.returncode, time.monotonic() - begin_s < 8) == (0, True)


def test_nothing_is_loaded_or_started_before_the_first_record() -> None:
    code = (
        "import sys, threading, time; from vedette_edge.sinks.webhook import WebhookSender\n"
        "sender = WebhookSender('pi'); sender.close(time.monotonic() + 60)\n"
        "print(threading.active_count(), {'http.client', 'ssl'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 set()\n"
