"""The time that a watch takes to end while its outputs hang.

    .venv/bin/python -m tests.scale.ends [--times 20]

Each watch sends changes with snapshots to a broker and to a webhook, and gets SIGTERM at a random
moment. The broker is stopped (SIGSTOP) after the watch has connected, takes connections and never
answers, or drops them like a firewall; the webhook takes requests and never answers.
"""

import argparse
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.edge.mosquitto import Mosquitto, open_hostile_broker
from tests.scale.watches import say, start_watches

TOGETHER = 5  # watches that run at the same time
MOST_S = 2.0
KINDS = ("stopped broker", "silent broker", "dropped packets", "webhook", "broker and webhook")


def main(times: int) -> int:
    """Print the times of each kind; return 1 if one is too long."""
    slow = False
    for kind in KINDS:
        took_s: list[float] = []
        while len(took_s) < times:
            took_s += time_ends(kind, min(TOGETHER, times - len(took_s)))
        median, most = statistics.median(took_s), max(took_s)
        say(f"{kind:18}: median {median:.2f} s, most {most:.2f} s of {len(took_s)}")
        slow |= most > MOST_S
    return int(slow)


def time_ends(kind: str, count: int) -> list[float]:
    """Time the ends of some watches, one after the other."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        broker = Mosquitto(folder, "persistence false")
        broker.start()
        parts.callback(broker.kill)
        port = broker.port
        if kind == "silent broker":
            port = parts.enter_context(open_hostile_broker(accepts=False)).port
        elif kind == "dropped packets":
            port = parts.enter_context(open_full_server())
        hook = "[[on]]\nsnapshot = true\n"
        if "webhook" in kind:
            hook += f'webhook = "http://127.0.0.1:{parts.enter_context(open_silent_server())}/x"\n'
        mqtt = f'mqtt = "mqtt://127.0.0.1:{port}"\nsnapshots = "{folder}/snapshots"\n'
        configs = [f'{mqtt}mqtt-id = "pi-{number}"\n{hook}' for number in range(count)]
        watches = parts.enter_context(start_watches(folder, configs))
        time.sleep(2)
        if "broker" in kind and port == broker.port:
            broker.process.send_signal(signal.SIGSTOP)
            time.sleep(1)
        return [time_end(watch) for watch in watches]


def time_end(watch: "subprocess.Popen[bytes]") -> float:
    """Time the end of a watch after SIGTERM at a random moment."""
    time.sleep(random.uniform(0.0, 1.0))
    begin_s = time.monotonic()
    watch.terminate()
    assert watch.wait(60) == 0
    return time.monotonic() - begin_s


@contextmanager
def open_silent_server() -> Iterator[int]:
    """Accept connections as the kernel does, and never answer. Yields the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        yield server.getsockname()[1]


@contextmanager
def open_full_server() -> Iterator[int]:
    """Have a full queue of connections, so that the kernel drops all further packets."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as parts:
        address = server.getsockname()
        for _ in range(4):
            client = parts.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        time.sleep(0.2)
        yield address[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time to end while outputs hang")
    parser.add_argument("--times", type=int, default=20)
    sys.exit(main(parser.parse_args().times))
