"""A real Prometheus, a real node_exporter, and pages of figures for them to scrape."""

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

MONITORING = Path(__file__).parents[2] / "monitoring"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
NODE_EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
TIMEOUT_S = 120.0

needs_prometheus = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="prometheus is not installed: apt install prometheus"
)
needs_node_exporter = pytest.mark.skipif(
    not NODE_EXPORTER,
    reason="node_exporter is not installed: apt install prometheus-node-exporter",
)

Pages = Mapping[str, Callable[[], bytes]]  # by path


def find_port() -> int:
    """Find a port of loopback that is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true. An OSError counts as false: the server may still start."""
    limit_s = time.monotonic() + TIMEOUT_S
    while True:
        with suppress(OSError):
            if condition():
                return
        assert time.monotonic() < limit_s, "it did not happen"
        time.sleep(0.2)


@contextmanager
def serve(pages: Pages) -> Iterator[int]:
    """Serve pages; one that raises OSError is unavailable. Yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                body = pages[self.path]()
            except (OSError, EOFError):
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Prometheus:
    """A Prometheus on loopback that asks each second, with the alerts of this project."""

    def __init__(self, folder: Path, jobs: list[dict[str, object]]) -> None:
        self.port, self._log = find_port(), folder / "prometheus.log"
        self._config, self._folder = folder / "prometheus.yml", folder / "data"
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        rules = [str(MONITORING / "alerts.yml")]
        config = {"global": every, "rule_files": rules, "scrape_configs": jobs}
        self._config.write_text(json.dumps(config))  # which is YAML, too

    @contextmanager
    def run(self) -> Iterator["Prometheus"]:
        """Run it; kill it at the end."""
        assert PROMETHEUS
        flags = [f"--config.file={self._config}", f"--storage.tsdb.path={self._folder}"]
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        with self._log.open("wb") as log:
            process = subprocess.Popen([PROMETHEUS, *flags, address], stdout=log, stderr=log)
        try:
            wait_until(lambda: self.get("/-/ready") or True)
            yield self
        finally:
            process.kill()
            process.wait()

    def get(self, path: str, **query: str) -> bytes:
        """Get a page. Raises OSError that names Prometheus' own reason."""
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(error.read().decode()) from error

    def ask(self, path: str, **query: str) -> Any:
        """Ask the API; return its data."""
        answer = json.loads(self.get(f"/api/v1/{path}", **query))
        assert answer["status"] == "success"
        assert "warnings" not in answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an expression, now."""
        result: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return result

    def count(self, expression: str) -> float:
        """Return the only value of an expression; 0 for none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else 0.0


@contextmanager
def run_node_exporter(folder: Path) -> Iterator[str]:
    """Run a node_exporter that reads a folder of text files alone; yields its page's address."""
    assert NODE_EXPORTER
    port = find_port()
    flags = ["--collector.disable-defaults", "--collector.textfile"]
    places = [f"--collector.textfile.directory={folder}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen([NODE_EXPORTER, *flags, *places], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        wait_until(lambda: read_page(url))
        yield url
    finally:
        process.kill()
        process.wait()


def read_page(url: str) -> str:
    """Read a page."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read()).decode()
