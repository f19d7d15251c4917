"""`vedette run` with a broker, webhooks and snapshots: real ones, and what is off costs nothing."""

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.edge.cli.conftest import Configure
from tests.edge.mosquitto import ROOT, Mosquitto, Subscriber, broker, start_broker, wait_until
from tests.edge.vedette_command import call_vedette, start_watch

__all__ = ["broker", "start_broker"]

OUTPUT_MODULES = (
    "http.client ssl paho.mqtt.client vedette_edge.cli.outputs vedette_edge.mqtt.output "
    "vedette_edge.policy.policy vedette_edge.sinks.snapshot vedette_edge.sinks.snapshot_folder "
    "vedette_edge.sinks.webhook vedette_edge.watch.dispatcher vedette_edge.watch.notifier "
    "vedette_edge.live.server vedette_edge.watch.metrics prometheus_client"
).split()
# Runs `vedette` and prints which of the modules it imported, and its threads at the end.
SPY = """
import sys, threading
from vedette_edge.__main__ import main
started = []
start = threading.Thread.start
threading.Thread.start = lambda thread: (started.append(thread.name), start(thread))[1]
modules, arguments = sys.argv[1].split(","), sys.argv[2:]
try:
    main(arguments)
finally:
    imported = [name for name in modules if name in sys.modules]
    print("SPY", ",".join(imported), ",".join(sorted(started)), file=sys.stderr)
"""


class Hook:
    """A server that keeps what is posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        posts = self.posts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.close()


def spy(*arguments: str) -> tuple[str, str]:
    """Run a watch to its end; return the modules of outputs that it imported, and its threads."""
    command = [sys.executable, "-c", SPY, ",".join(OUTPUT_MODULES), "run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("SPY"))
    _, modules, threads = line.split(" ", 2)
    return modules, threads


def test_without_outputs_there_is_no_import_and_no_thread(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    flags = [str(model), "--camera", str(clip), "--live"]
    modules, threads = spy(*flags)
    assert modules == ""
    with_snapshots = spy(*flags, "--snapshots", str(tmp_path / "snapshots"))
    assert "vedette_edge.watch.notifier" in with_snapshots[0]
    assert "outputs" in with_snapshots[1]
    assert "outputs" not in threads
    for other in ("paho", "http.client", "ssl"):
        assert other not in with_snapshots[0].split(",")


def test_a_change_is_a_snapshot_a_state_and_an_event_and_the_file_is_named_in_the_log(
    configure: Configure, broker: Mosquitto, tmp_path: Path, subscriber: Subscriber
) -> None:
    folder = tmp_path / "snapshots"
    config = configure(f'snapshots = "{folder}"\n')
    with start_watch(config, STATE_DIRECTORY=str(tmp_path)) as watch:
        wait_until(lambda: len(subscriber.payloads(f"{ROOT}/event")) >= 4)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(10) == 0
        assert watch.stdout
        records = [json.loads(line) for line in watch.stdout]
    changes = [record for record in records if record["event"] == "change"]
    mine = f"{ROOT}/snapshot", f"{ROOT}/state", f"{ROOT}/event"
    order = [topic for topic in subscriber.topics() if topic in mine]
    assert order[1:] == list(mine) * len(changes)  # after a first state without a label
    events = [json.loads(payload) for payload in subscriber.payloads(f"{ROOT}/event")]
    assert [one["frame"] for one in events] == [one["frame"] for one in changes]
    assert [one["event_type"] for one in events] == [one["label"] for one in changes]
    assert {path.name for path in folder.iterdir()} == {one["snapshot"] for one in changes}
    assert subscriber.payloads(f"{ROOT}/available")[-1] == b"offline"


def test_a_rule_decides_about_the_event_and_the_state_hears_of_all(
    configure: Configure, broker: Mosquitto, tmp_path: Path, hook: Hook, subscriber: Subscriber
) -> None:
    rule = f'[[on]]\nlabel = "green"\nwebhook = "{hook.url}"\nsnapshot = true\nfor = 0.3\n'
    with start_watch(configure(rule), STATE_DIRECTORY=str(tmp_path)) as watch:
        wait_until(lambda: len(subscriber.payloads(f"{ROOT}/event")) >= 2 and hook.posts)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(10) == 0
    states = [json.loads(one)["label"] for one in subscriber.payloads(f"{ROOT}/state")]
    assert {"red", "green", "blue"} <= set(states)
    events = [json.loads(one) for one in subscriber.payloads(f"{ROOT}/event")]
    assert {one["event_type"] for one in events} == {"green"}
    headers, body = hook.posts[0]
    assert headers["Content-Type"].startswith("multipart/form-data")
    assert b'"label":"green"' in body
    assert b"\xff\xd8\xff" in body


@contextmanager
def start_silent_server() -> Iterator[str]:
    """The address of a server that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_sigterm_ends_the_watch_while_broker_and_webhook_hang(
    configure: Configure, broker: Mosquitto, tmp_path: Path, subscriber: Subscriber
) -> None:
    with start_silent_server() as address:
        config = configure(f'[[on]]\nwebhook = "http://{address}/"\nsnapshot = true\n')
        with start_watch(config, STATE_DIRECTORY=str(tmp_path)) as watch:
            wait_until(lambda: subscriber.payloads(f"{ROOT}/event"))
            broker.process.send_signal(signal.SIGSTOP)
            time.sleep(3)  # changes go on
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(10) == 0
        broker.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('[[on]]\nlabel = "fox"\n', "the model has no label 'fox'; it has red, green, blue"),
        ("[[on]]\nscore = 2\n", "score is 2: expected a number from 0 to 1"),
        ('[[on]]\nevent = "camera_lost"\n', "tells nobody; add webhook"),
        ('[[on]]\nwebhook = "ftp://secret@host/"\n', "[[on]] 1: ftp://host: not a valid address"),
        ("on = 5\n", "begin each with a line [[on]]"),
    ],
)
def test_a_rule_with_a_mistake_is_an_error_at_the_start_and_in_the_check(
    configure: Configure, rules: str, message: str
) -> None:
    config = configure(rules)
    for command in ("run", "check"):
        result = call_vedette(command, "--config", config)
        assert result.exit_code != 0
        text = " ".join((result.stdout + result.stderr).split())
        assert message in text
        assert "secret" not in text
        assert "Traceback" not in text


def test_outputs_need_a_live_watch(model: Path, photos: Path, tmp_path: Path) -> None:
    result = call_vedette(
        "run", str(model), "--camera", str(photos), "--snapshots", str(tmp_path / "snapshots")
    )
    assert result.exit_code == 1
    assert "add --live" in result.stderr


def test_an_output_that_changes_with_a_reload_is_used(
    configure: Configure, tmp_path: Path, hook: Hook
) -> None:
    with start_watch(configure(""), STATE_DIRECTORY=str(tmp_path)) as watch:
        assert watch.stdout
        while json.loads(watch.stdout.readline())["event"] != "change":
            pass
        configure('[[on]]\nlabel = "fox"\n')
        watch.send_signal(signal.SIGHUP)
        time.sleep(2)  # refused: the model has no such label
        configure(f'[[on]]\nwebhook = "{hook.url}"\n')
        watch.send_signal(signal.SIGHUP)
        wait_until(lambda: hook.posts)
        watch.send_signal(signal.SIGTERM)
        assert watch.stderr
        assert "the model has no label 'fox'" in watch.stderr.read()
    assert hook.posts[0][0]["Content-Type"] == "application/json"
    assert json.loads(hook.posts[0][1])["event"] == "change"
